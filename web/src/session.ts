// Who is signed in with this browser.
//
// The token is in a cookie that no script can read, so that one that gets into the page cannot take it away. The page knows only who the
// user is, and names them with every call (docs/adr/0014): the gateway refuses a call for somebody who is not signed in any more. Who
// it is stays in sessionStorage, so that a reload shows the page at once; that somebody is signed in, and their number, in
// localStorage, for other tabs.

import { computed, ref } from "vue";
import type { components } from "./api/schema";

export type User = components["schemas"]["User"];

const PLACE = "dompet.user";
const SHARED = "dompet.signed-in";

const session = ref<User | null>(read());
/** Counts sessions: an answer to a call of an earlier one says nothing of this one. */
let count = 0;

export const user = computed(() => session.value);
export const isSignedIn = computed(() => session.value !== null);
/** Whether a session ended by itself, so that the sign-in page can say why it is there. */
export const hasExpired = ref(false);

/** What the page says to the gateway of its session: whom it means. */
export const HEADER = "dompet-session";
/** The same at log-in: that the token is to be a cookie. */
export const AS_COOKIE = "cookie";
/** The same before the page knows who is signed in. */
export const ANYBODY = "any";

export function named(): string | null {
  return session.value === null ? null : String(session.value.id);
}

/** The number of the session, for `expire`. */
export function current(): number {
  return count;
}

export function begin(next: User): void {
  count++;
  keep(next);
  hasExpired.value = false;
  localStorage.setItem(SHARED, String(next.id));
}

export function rename(next: User): void {
  if (session.value) keep(next);
}

export function end(): void {
  forget();
  localStorage.removeItem(SHARED);
}

/** The server does not take this session any more. An answer to an older one says nothing about a newer one. */
export function expire(used: number): void {
  if (session.value === null || used !== count) return;
  const own = String(session.value.id);
  hasExpired.value = true;
  forget();
  if (localStorage.getItem(SHARED) === own) localStorage.removeItem(SHARED);
}

/** Whether another tab says that somebody is signed in, and this one does not know who. */
export function isSignedInElsewhere(): boolean {
  return session.value === null && localStorage.getItem(SHARED) !== null;
}

/** Signed out in another tab, or signed in there as somebody else. */
window.addEventListener("storage", (change) => {
  if (change.key !== SHARED || session.value === null || change.newValue === String(session.value.id)) return;
  hasExpired.value = change.newValue !== null;
  forget();
});

function keep(next: User): void {
  session.value = next;
  sessionStorage.setItem(PLACE, JSON.stringify(next));
}

function forget(): void {
  count++;
  session.value = null;
  sessionStorage.removeItem(PLACE);
}

function read(): User | null {
  // What an earlier version kept: a token, where scripts can read it.
  sessionStorage.removeItem("dompet.session");
  try {
    const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "null") as User | null;
    // A tab that was copied, or restored after signing out elsewhere.
    return typeof kept?.id === "number" && localStorage.getItem(SHARED) === String(kept.id) ? kept : null;
  } catch {
    return null;
  }
}

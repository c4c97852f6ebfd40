// Who is signed in in this tab.
//
// The token is kept in sessionStorage: it survives a reload, and is gone with the tab. A script that got into the page could read it there,
// as it could read it from memory by waiting for the next call. That none gets in is what the Content-Security-Policy is for: no inline
// script, and no address but this origin to send anything to.

import { computed, ref } from "vue";
import type { components } from "./api/schema";

export type User = components["schemas"]["User"];
interface Session {
  token: string;
  user: User;
}

const PLACE = "dompet.session";

const session = ref<Session | null>(read());

export const user = computed(() => session.value?.user ?? null);
export const isSignedIn = computed(() => session.value !== null);
/** Whether a session ended by itself, so that the sign-in page can say why it is there. */
export const hasExpired = ref(false);

export function token(): string | null {
  return session.value?.token ?? null;
}

export function begin(next: Session): void {
  session.value = next;
  hasExpired.value = false;
  sessionStorage.setItem(PLACE, JSON.stringify(next));
}

export function rename(next: User): void {
  if (session.value) begin({ ...session.value, user: next });
}

export function end(): void {
  session.value = null;
  sessionStorage.removeItem(PLACE);
}

/** The server does not take this token any more. An answer to an older token says nothing about a newer one. */
export function expire(used: string | null): void {
  if (session.value === null || session.value.token !== used) return;
  hasExpired.value = true;
  end();
}

function read(): Session | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "null") as Session | null;
    return typeof kept?.token === "string" && typeof kept.user.id === "number" ? kept : null;
  } catch {
    return null;
  }
}

// A movement of money that somebody is about to make: what it is, and the key under which the server makes it at most once.
//
// The key is drawn when the confirmation opens and is stored before anything is sent. A double click, a reload or a lost answer then leads
// to the same key again, and the money moves once. What is stored stays until its outcome is known and was shown.

export type Order =
  | { kind: "topup"; walletId: number; amount: number }
  | { kind: "pay"; walletId: number; merchant: string; amount: number }
  | { kind: "transfer"; walletId: number; toUserId: number; amount: number };

export interface Intent {
  key: string;
  userId: number;
  order: Order;
  /** As they were when it was confirmed, for the page that waits for the outcome. */
  currency: string;
  recipient: string;
  /** When it was confirmed, in milliseconds since 1970; before that, `null`: nothing was sent yet. */
  confirmedAt: number | null;
  /** When it was first sent: after a reload nobody knows what became of that. */
  sentAt: number | null;
  /** When an answer was last missing; a refusal after that is not the last word at once. */
  unknownAt: number | null;
}

const PLACE = "dompet.movement.";
const KEY_BYTES = 16;

/** Draws the key. `crypto.randomUUID` is not there without HTTPS, this is. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return "web-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function store(intent: Intent): void {
  sessionStorage.setItem(PLACE + intent.userId, JSON.stringify(intent));
}

export function stored(userId: number): Intent | null {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE + userId) ?? "null") as Intent | null;
  } catch {
    return null;
  }
}

export function forget(userId: number): void {
  sessionStorage.removeItem(PLACE + userId);
}

/** A movement of this user that was confirmed and whose outcome was not shown yet. */
export function pending(userId: number): Intent | null {
  const intent = stored(userId);
  return intent?.confirmedAt == null ? null : intent;
}

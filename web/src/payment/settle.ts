// Finds out what became of a movement, by the rules of docs/CLIENTS.md: what may have been sent before is first looked up by its key
// (`GET /requests/{key}`), and only where it is not there does the same request go again under the same key, which moves the money once.
// It never ends as "failed" because an answer was missing.

import { Failure } from "../api/client";
import type { Intent } from "./intent";

/** What the server said of a movement that was made. */
export interface Done {
  createdAt: string | null;
  paymentId: number | null;
  balanceAfter: number | null;
}

export type Outcome =
  | { state: "done"; done: Done }
  | { state: "refused"; failure: Failure }
  /** The session ended; after signing in it goes on. */
  | { state: "signed_out" };

export interface Surroundings {
  send(intent: Intent): Promise<Done>;
  /** What the server has of it already; `null` where it has nothing. */
  look(intent: Intent): Promise<Done | null>;
  store(intent: Intent): void;
  now(): number;
  /** Resolves after this time, or earlier when there is a reason to ask at once. */
  wait(ms: number): Promise<void>;
  /** Called whenever an answer was missing, before the wait. */
  onUnknown(): void;
  isStopped(): boolean;
}

/** The first wait; each is twice as long as the one before. */
export const WAIT_MIN_MS = 1_000;
export const WAIT_MAX_MS = 15_000;
/** After an unknown outcome a refusal is final only when this much later the answer is the same (docs/CLIENTS.md). */
export const REFUSAL_FINAL_AFTER_MS = 10_000;
/** A movement that was confirmed longer ago is not sent again without asking: it could be made now, unexpectedly. */
export const ASK_AGAIN_AFTER_MS = 10 * 60_000;

export function needsConsent(intent: Intent, now: number): boolean {
  return intent.confirmedAt !== null && now - intent.confirmedAt > ASK_AGAIN_AFTER_MS;
}

/** Looks and sends until the outcome is known. `null` when it was stopped before that. */
export async function settle(intent: Intent, world: Surroundings): Promise<Outcome | null> {
  // Sent before, and the page was closed or loaded anew meanwhile.
  let current = { ...intent, unknownAt: intent.unknownAt ?? intent.sentAt };
  for (let attempt = 0; !world.isStopped(); attempt++) {
    try {
      const made = current.unknownAt === null ? null : await world.look(current);
      if (made) return { state: "done", done: made };
      if (current.sentAt === null) {
        current = { ...current, sentAt: world.now() };
        world.store(current);
      }
      return { state: "done", done: await world.send(current) };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.status === 401) {
        // Not done, if this was the first time.
        if (current.unknownAt === null) world.store({ ...current, sentAt: null });
        return { state: "signed_out" };
      }
      if (!error.isTransient) {
        const early = current.unknownAt === null ? 0 : current.unknownAt + REFUSAL_FINAL_AFTER_MS - world.now();
        if (early <= 0) return { state: "refused", failure: error };
        world.onUnknown();
        await world.wait(early);
        continue;
      }
      // Stored first: after a reload a refusal must still not be taken for the last word.
      current = { ...current, unknownAt: world.now() };
      world.store(current);
      world.onUnknown();
      await world.wait(error.retryAfterMs ?? Math.min(WAIT_MIN_MS * 2 ** attempt, WAIT_MAX_MS));
    }
  }
  return null;
}

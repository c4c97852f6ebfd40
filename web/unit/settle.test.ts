import { expect, it, vi } from "vitest";

// The session looks for what the tab kept, and listens to other tabs.
const nothing = { getItem: () => null, setItem: () => {}, removeItem: () => {} };
vi.stubGlobal("sessionStorage", nothing);
vi.stubGlobal("localStorage", nothing);
vi.stubGlobal("window", { addEventListener: () => {} });
const { Failure } = await import("../src/api/client");
const { ASK_AGAIN_AFTER_MS, REFUSAL_FINAL_AFTER_MS, needsConsent, settle } = await import("../src/payment/settle");
type Intent = import("../src/payment/intent").Intent;
type Done = import("../src/payment/settle").Done;

const intent: Intent = {
  key: "web-1",
  userId: 1,
  order: { kind: "pay", walletId: 1, merchant: "Tokopedia", amount: 5 },
  currency: "IDR",
  recipient: "Tokopedia",
  confirmedAt: 0,
  sentAt: null,
  unknownAt: null,
};
const done: Done = { createdAt: null, paymentId: 1, balanceAfter: null };
const lost = new Failure(0, "no_answer", null, null, null);
const refused = new Failure(400, "insufficient_balance", null, null, null);

/** Answers one after the other; time passes only by waiting. */
function world(answers: (Done | InstanceType<typeof Failure>)[], from: Intent = intent, looks: (Done | Error | null)[] = [null]) {
  const seen = { keys: [] as string[], stored: [] as Intent[], waits: [] as number[], looks: 0 };
  let now = from.unknownAt ?? 0;
  return {
    seen,
    outcome: settle(from, {
      send: async (one) => {
        seen.keys.push(one.key);
        const answer = answers[Math.min(seen.keys.length, answers.length) - 1]!;
        if (answer instanceof Failure) throw answer;
        return answer;
      },
      look: async () => {
        const answer = looks[Math.min(++seen.looks, looks.length) - 1]!;
        if (answer instanceof Error) throw answer;
        return answer;
      },
      store: (one) => seen.stored.push(one),
      now: () => now,
      wait: async (ms) => {
        seen.waits.push(ms);
        now += ms;
      },
      onUnknown: () => {},
      isStopped: () => seen.keys.length > 20,
    }),
  };
}

it("repeats a lost answer under the same key until there is one, and never calls it failed", async () => {
  for (const status of [0, 429, 500, 502, 503, 504]) {
    const one = world([new Failure(status, "x", null, null, null), lost, done]);
    expect(await one.outcome).toEqual({ state: "done", done });
    expect(one.seen.keys).toEqual(["web-1", "web-1", "web-1"]);
  }
  const never = world([lost]);
  expect(await never.outcome).toBeNull();
  expect(Math.max(...never.seen.waits)).toBe(15_000);
});

it("looks before it sends again, and sends nothing that is there", async () => {
  const one = world([lost], intent, [done]);
  expect(await one.outcome).toEqual({ state: "done", done });
  expect(one.seen.keys).toHaveLength(1);
  const reloaded = world([refused], { ...intent, unknownAt: 1_000 }, [lost, lost, done]);
  expect(await reloaded.outcome).toEqual({ state: "done", done });
  expect(reloaded.seen.keys).toHaveLength(0);
  expect(reloaded.seen.waits).toEqual([1_000, 2_000]);
  const closed = world([refused], { ...intent, sentAt: 1_000 }, [done]);
  expect(await closed.outcome).toEqual({ state: "done", done });
  const first = world([done]);
  await first.outcome;
  expect(first.seen.looks).toBe(0);
});

it("waits as long as it is told to", async () => {
  const one = world([new Failure(503, "overloaded", 7_000, null, null), done]);
  await one.outcome;
  expect(one.seen.waits).toEqual([7_000]);
});

it("takes a refusal for the last word, if no answer was missing before", async () => {
  const one = world([refused]);
  expect(await one.outcome).toEqual({ state: "refused", failure: refused });
  expect(one.seen.keys).toHaveLength(1);
});

it("asks once more after ten seconds where the refusal came after a missing answer, also after a reload", async () => {
  const one = world([lost, refused, done]);
  expect(await one.outcome).toEqual({ state: "done", done });
  const reloaded = world([refused, refused], { ...intent, unknownAt: 1_000 });
  expect(await reloaded.outcome).toEqual({ state: "refused", failure: refused });
  expect(reloaded.seen.waits).toEqual([REFUSAL_FINAL_AFTER_MS]);
});

it("stores that it sends before it sends, and that an answer was missing before it waits", async () => {
  const one = world([lost, done]);
  await one.outcome;
  expect(one.seen.stored.map((kept) => [kept.sentAt, kept.unknownAt])).toEqual([
    [0, null],
    [0, 0],
  ]);
});

it("goes on after signing in", async () => {
  expect(await world([new Failure(401, "token_expired", null, null, null)]).outcome).toEqual({ state: "signed_out" });
});

it("does not send what was confirmed long ago without asking", () => {
  expect(needsConsent(intent, ASK_AGAIN_AFTER_MS)).toBe(false);
  expect(needsConsent(intent, ASK_AGAIN_AFTER_MS + 1)).toBe(true);
});

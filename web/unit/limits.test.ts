import { expect, it } from "vitest";
import { roomFor, type Limit } from "../src/payment/limits";

const limit = (part: Partial<Limit>): Limit => ({ limit: "x", window: "day", direction: "both", kinds: [], measure: "amount", max: 100, used: 0, ...part });

it("finds the narrowest limit that is about the movement", () => {
  expect(roomFor([], "pay")).toBeNull();
  const day = limit({ direction: "out", kinds: ["transfer"], max: 50, used: 20, resets_at: "2026-11-25T17:00:00Z" });
  expect(roomFor([limit({}), day], "transfer")).toEqual({ left: 30, resetsAt: "2026-11-25T17:00:00Z" });
  expect(roomFor([limit({}), day], "pay")).toEqual({ left: 100, resetsAt: null });
  expect(roomFor([limit({}), limit({ direction: "in", max: 5 })], "pay")).toEqual({ left: 100, resetsAt: null });
  expect(roomFor([limit({ direction: "in", max: 5, used: 9 })], "topup")).toEqual({ left: 0, resetsAt: null });
});

it("counts movements too", () => {
  const count = limit({ measure: "count", max: 3 });
  expect(roomFor([limit({}), { ...count, used: 2 }], "pay")?.left).toBe(100);
  expect(roomFor([limit({}), { ...count, used: 3 }], "pay")?.left).toBe(0);
});

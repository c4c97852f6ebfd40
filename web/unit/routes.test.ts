import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { byDay, matches, read, write } from "../src/activity/filter";
import type { Transaction } from "../src/api/queries";
import { en } from "../src/i18n/en";
import { id } from "../src/i18n/id";
import addresses from "../src/routes.json";

it("the gateway answers the addresses that the router has", () => {
  const source = readFileSync(new URL("../src/router.ts", import.meta.url), "utf8");
  const own = [...source.matchAll(/\{ path: "([^"]+)", component/g)].map(([, path = ""]) => path.replace(/:(\w+)\(.*?\)/, "{$1}"));
  expect(addresses).toEqual(own);
});

it("both languages fill the same places", () => {
  const places = (value: unknown): unknown =>
    typeof value === "string"
      ? [...value.matchAll(/\{\w+\}/g)].map(String).sort()
      : Object.fromEntries(Object.entries(value as object).map(([key, part]) => [key, places(part)]));
  expect(places(en)).toEqual(places(id));
});

it("a filter is what its address says", () => {
  const query = { wallet: "3", type: "in", from: "2026-11-01", to: "2026-11-30", q: "kopi" };
  expect(write(read(query))).toEqual(query);
  expect(write(read({ wallet: "x", type: "y", from: "1", to: "", q: " " }))).toEqual({});
});

const one: Transaction = {
  id: 1, user_id: 1, wallet_id: 1, type: "payment", direction: "out", amount: 37_500, currency: "IDR",
  description: "Payment to Kopi", status: "completed", source: "ledger", created_at: "2026-11-25T12:00:00Z",
};

it("looks for words and amounts, types and days", () => {
  const is = (query: Record<string, string>) => matches(read(query), one, "Kopi");
  expect([is({ q: "KOP" }), is({ q: "37.500" }), is({ q: "teh" }), is({ type: "payment" }), is({ type: "in" })]).toEqual([true, true, false, true, false]);
  expect([is({ from: "2026-11-24" }), is({ from: "2026-11-27" }), is({ to: "2026-11-23" })]).toEqual([true, false, false]);
});

it("groups by the reader's day", () => {
  const list = [one, { ...one, id: 2 }, { ...one, id: 3, created_at: "2026-11-20T12:00:00Z" }];
  expect(byDay(list).map((day) => day.movements.length)).toEqual([2, 1]);
});

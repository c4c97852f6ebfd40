// Receipts that an implementation of its own makes: the recursive definition of RFC 9162, with Node's hashes.

import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { check, type Receipt, type Transaction } from "../src/receipt/proof";

const sha = (...parts: Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
const numbers = (...values: bigint[]) => {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigInt64LE(value, index * 8));
  return bytes;
};
const MICROS = 1_764_057_330_123_456n;
const NOTHING = -(2n ** 63n);
const TIME = "2025-11-25T07:55:30.123456Z";

/** A payment of 50000 from wallet 7 to Tokopedia. */
function leafOf(entry: number, kind = 2n): Buffer {
  const [salt, key] = [Buffer.alloc(16, entry), Buffer.alloc(16, 9)];
  const fields = numbers(BigInt(entry), MICROS, kind, 7n, -3602n, 50_000n, 3n, 1n, NOTHING, NOTHING, NOTHING);
  return Buffer.concat([salt, key, fields, sha(salt, Buffer.from("Tokopedia"))]);
}

function root(leaves: Buffer[]): Buffer {
  if (leaves.length === 1) return sha(Buffer.of(0), leaves[0]!);
  const left = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return sha(Buffer.of(1), root(leaves.slice(0, left)), root(leaves.slice(left)));
}

function path(leaves: Buffer[], index: number): Buffer[] {
  if (leaves.length === 1) return [];
  const left = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return index < left
    ? [...path(leaves.slice(0, left), index), root(leaves.slice(left))]
    : [...path(leaves.slice(left), index - left), root(leaves.slice(0, left))];
}

function receiptOf(size: number, index: number, kind?: bigint): Receipt {
  const first = 41;
  const leaves = Array.from({ length: size }, (_, place) => leafOf(first + place, kind));
  const [before, balances] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const ends = numbers(BigInt(first), BigInt(first + size - 1));
  return {
    format: "dompet batch v3",
    entry: first + index,
    leaf: leaves[index]!.toString("hex"),
    note: "Tokopedia",
    index,
    size,
    path: path(leaves, index).map((hash) => hash.toString("hex")),
    first_entry: first,
    last_entry: first + size - 1,
    hash_before: before.toString("hex"),
    balances: balances.toString("hex"),
    hash: sha(Buffer.from("dompet batch v3"), before, ends, root(leaves), balances).toString("hex"),
  };
}

const shown: Transaction = {
  id: 82,
  user_id: 1,
  wallet_id: 7,
  type: "payment",
  direction: "out",
  amount: 50_000,
  currency: "IDR",
  description: "Payment to Tokopedia",
  status: "completed",
  source: "ledger",
  created_at: TIME,
  payment_id: 3,
};

it("accepts every leaf of every small tree", async () => {
  for (let size = 1; size <= 17; size++) {
    for (let index = 0; index < size; index++) {
      expect(await check(receiptOf(size, index), shown), `${index} of ${size}`).toEqual({ result: "ok" });
    }
  }
});

it("notices any change to the receipt", async () => {
  const good = receiptOf(6, 3);
  const flip = (text: string) => (text[0] === "0" ? "1" : "0") + text.slice(1);
  const changed: Partial<Receipt>[] = [
    { format: "dompet batch v2" },
    { entry: good.entry + 1 },
    { leaf: flip(good.leaf) },
    { leaf: good.leaf + "00" },
    { leaf: "" },
    { note: "Shopee" },
    { note: "" },
    { note: null },
    { index: 2 },
    { size: 7 },
    { path: good.path.slice(1) },
    { path: [...good.path, good.hash] },
    { path: [flip(good.path[0]!), ...good.path.slice(1)] },
    { path: ["zz"] },
    { first_entry: good.first_entry - 1 },
    { last_entry: good.last_entry + 1 },
    { first_entry: good.first_entry - 1, index: 4, size: 7 },
    { hash_before: flip(good.hash_before) },
    { balances: flip(good.balances) },
    { hash: flip(good.hash) },
  ];
  for (const change of changed) {
    expect((await check({ ...good, ...change }, shown)).result, JSON.stringify(change)).toBe("failed");
  }
});

it("notices that another movement is shown than the one that is proven", async () => {
  const changed: Partial<Transaction>[] = [
    { amount: 5_000 },
    { wallet_id: 8 },
    { type: "withdrawal" },
    { direction: "in" },
    { description: "Payment to Shopee" },
    { payment_id: 4 },
    { payment_id: undefined },
    { counterparty_wallet_id: 9 },
    { created_at: "2025-11-25T07:55:30.123457Z" },
  ];
  for (const change of changed) {
    const verdict = await check(receiptOf(3, 1), { ...shown, ...change });
    expect(verdict, JSON.stringify(change)).toEqual({ result: "failed", step: "shown" });
  }
});

it("accepts a note that was erased only where the page does not show it any more", async () => {
  const erased = { ...receiptOf(3, 1), note: null };
  const unnamed = { ...shown, description: "Payment to a merchant" };
  expect(await check(erased, unnamed)).toEqual({ result: "ok" });
  expect(await check(erased, shown)).toEqual({ result: "failed", step: "shown" });
  expect(await check(receiptOf(3, 1), unnamed)).toEqual({ result: "failed", step: "shown" });
});

it("knows of a type that is newer than the page that it is none of the others", async () => {
  const newer = { ...shown, type: "cashback" as Transaction["type"], description: "Refund of payment 2" };
  expect(await check(receiptOf(3, 1, 77n), newer)).toEqual({ result: "ok" });
  expect(await check(receiptOf(3, 1, 2n), newer)).toEqual({ result: "failed", step: "shown" });
  expect(await check(receiptOf(3, 1, 77n), shown)).toEqual({ result: "failed", step: "shown" });
});

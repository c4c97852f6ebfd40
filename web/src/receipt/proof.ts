// Checks a receipt in the browser: docs/RECEIPTS.md, steps 1 to 4, and that the proven entry is the movement that the page shows.
// The fifth step, whether the batch is one of the ledger, only the ledger can answer: `dompet verify --receipt`.

import type { components } from "../api/schema";

export type Receipt = components["schemas"]["Receipt"];
export type Transaction = components["schemas"]["TransactionView"];

/** What is checked, in this order. */
export type Step = "entry" | "shown" | "tree" | "batch";
export const STEPS: readonly Step[] = ["entry", "shown", "tree", "batch"];

/** `ok`; the first step that failed; or this browser cannot compute hashes here (WebCrypto needs HTTPS or localhost). */
export type Verdict = { result: "ok" } | { result: "failed"; step: Step } | { result: "unable" };

const FORMAT = "dompet batch v3";
const SALT_BYTES = 16;
const KEY_BYTES = 16;
const HASH_BYTES = 32;
/** Numbers in a movement's leaf. */
const NUMBERS = 11;
const LEAF_BYTES = SALT_BYTES + KEY_BYTES + NUMBERS * 8 + HASH_BYTES;
const NOTHING = -(2n ** 63n);
const KINDS: Record<string, bigint | undefined> = {
  topup: 1n,
  payment: 2n,
  transfer: 3n,
  withdrawal: 4n,
  hold: 5n,
  release: 7n,
  refund: 8n,
  expiry: 9n,
  topup_reversal: 12n,
  transfer_reversal: 13n,
  withdrawal_reversal: 14n,
};
/** What the page says of a movement with this note; `null` where there is none any more. */
const DESCRIPTIONS: Record<string, ((note: string | null) => string) | undefined> = {
  payment: (note) => `Payment to ${note ?? "a merchant"}`,
  withdrawal: (note) => note ?? "Withdrawal",
  hold: (note) => `Hold for ${note ?? "a merchant"}`,
};

export async function check(receipt: Receipt, shown: Transaction): Promise<Verdict> {
  if (globalThis.crypto?.subtle === undefined) return { result: "unable" };
  const fail = (step: Step): Verdict => ({ result: "failed", step });
  const leaf = fromHex(receipt.leaf);
  const before = fromHex(receipt.hash_before, HASH_BYTES);
  const balances = fromHex(receipt.balances, HASH_BYTES);
  const path = receipt.path.map((text) => fromHex(text, HASH_BYTES));
  const entry = leaf && readEntry(leaf);
  const isOfBatch =
    receipt.index === receipt.entry - receipt.first_entry &&
    receipt.size === receipt.last_entry - receipt.first_entry + 1;
  if (receipt.format !== FORMAT || !leaf || !before || !balances || !entry) return fail("entry");
  if (entry.number !== BigInt(receipt.entry) || !isOfBatch) return fail("entry");
  // Without the note its hash stays in the leaf: the note was erased.
  const note = receipt.note ?? null;
  if (note !== null && toHex(await noteHash(entry.salt, note)) !== entry.noteHash) return fail("entry");
  if (!isShown(entry, note, shown)) return fail("shown");
  const root = path.every((part) => part !== null)
    ? await rootByPath(await sha256([Uint8Array.of(0), leaf]), receipt.index, receipt.size, path as Bytes[])
    : null;
  if (root === null) return fail("tree");
  const hash = await sha256([
    new TextEncoder().encode(FORMAT),
    before,
    number(receipt.first_entry),
    number(receipt.last_entry),
    root,
    balances,
  ]);
  return toHex(hash) === receipt.hash ? { result: "ok" } : fail("batch");
}

type Bytes = Uint8Array<ArrayBuffer>;

interface Entry {
  salt: Bytes;
  number: bigint;
  micros: bigint;
  kind: bigint;
  debit: bigint;
  credit: bigint;
  amount: bigint;
  payment: bigint;
  noteHash: string;
}

/** The entry's bytes as fields; `null` where they are not those of a movement. */
function readEntry(leaf: Bytes): Entry | null {
  if (leaf.byteLength !== LEAF_BYTES) return null;
  const view = new DataView(leaf.buffer, leaf.byteOffset, leaf.byteLength);
  const at = (index: number) => view.getBigInt64(SALT_BYTES + KEY_BYTES + index * 8, true);
  const [number, micros, kind, debit, credit, amount, payment] = [at(0), at(1), at(2), at(3), at(4), at(5), at(6)];
  // Who asked, what it draws on, its group and its expiry follow: the page shows none of them.
  const salt = leaf.slice(0, SALT_BYTES);
  return { salt, number, micros, kind, debit, credit, amount, payment, noteHash: toHex(leaf.slice(-HASH_BYTES)) };
}

function noteHash(salt: Bytes, note: string): Promise<Bytes> {
  return sha256([salt, new TextEncoder().encode(note)]);
}

/** Whether the kind is that of this type. Of a type that is newer than this page it is known which kinds it is not. */
function isKind(kind: bigint, type: string): boolean {
  const code = KINDS[type];
  return code === undefined ? !Object.values(KINDS).includes(kind) : kind === code;
}

/** Whether the entry is the movement on the page: its kind, wallets, amount, payment, note and time. */
function isShown(entry: Entry, note: string | null, shown: Transaction): boolean {
  const isIncoming = shown.direction === "in";
  const [own, other] = isIncoming ? [entry.credit, entry.debit] : [entry.debit, entry.credit];
  const counterparty = shown.counterparty_wallet_id;
  const description = DESCRIPTIONS[shown.type];
  return (
    isKind(entry.kind, shown.type) &&
    own === BigInt(shown.wallet_id) &&
    (counterparty == null ? other < 0n : other === BigInt(counterparty)) &&
    entry.amount === BigInt(shown.amount) &&
    entry.payment === (shown.payment_id == null ? NOTHING : BigInt(shown.payment_id)) &&
    (description === undefined || shown.description === description(note)) &&
    entry.micros === micros(shown.created_at)
  );
}

/** Microseconds since 1970 of an RFC 3339 time; `Date` knows only milliseconds. */
function micros(time: string): bigint {
  const found = /^(.*:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (!found) return -1n;
  const [, whole = "", fraction = "", zone = ""] = found;
  return BigInt(Date.parse(whole + zone)) * 1000n + BigInt(fraction.padEnd(6, "0"));
}

/** RFC 9162, section 2.1.3.2. */
async function rootByPath(leaf: Bytes, index: number, size: number, path: Bytes[]): Promise<Bytes | null> {
  if (index >= size) return null;
  let [place, last, hash] = [BigInt(index), BigInt(size) - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) return null;
    if ((place & 1n) === 1n || place === last) {
      hash = await sha256([Uint8Array.of(1), sibling, hash]);
      while ((place & 1n) === 0n && place !== 0n) [place, last] = [place >> 1n, last >> 1n];
    } else {
      hash = await sha256([Uint8Array.of(1), hash, sibling]);
    }
    [place, last] = [place >> 1n, last >> 1n];
  }
  return last === 0n ? hash : null;
}

async function sha256(parts: Bytes[]): Promise<Bytes> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

function number(value: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

function fromHex(text: string, length?: number): Bytes | null {
  if (!/^([0-9a-f]{2})*$/.test(text) || (length !== undefined && text.length !== length * 2)) return null;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function toHex(bytes: Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

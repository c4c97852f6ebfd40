// The filters of the activity page. They live in the address, so that a page can be kept, shared and gone back to.

import type { LocationQuery } from "vue-router";
import type { Transaction } from "../api/queries";
import { dayOf } from "../time";

export const KINDS = ["topup", "payment", "in", "out", "hold", "returned", "withdrawal"] as const;
export type Kind = (typeof KINDS)[number];

export interface Filter {
  walletId: number | null;
  kind: Kind | null;
  /** Days in the reader's zone, both included. */
  from: string;
  to: string;
  search: string;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

export function read(query: LocationQuery): Filter {
  const text = (name: string) => (typeof query[name] === "string" ? (query[name] as string) : "");
  const day = (name: string) => (DAY.test(text(name)) ? text(name) : "");
  return {
    walletId: /^\d{1,15}$/.test(text("wallet")) ? Number(text("wallet")) : null,
    kind: KINDS.find((one) => one === text("type")) ?? null,
    from: day("from"),
    to: day("to"),
    search: text("q"),
  };
}

/** The address of a filter; what is not set is not in it. */
export function write(filter: Filter): Record<string, string> {
  const query: Record<string, string> = {};
  if (filter.walletId !== null) query["wallet"] = String(filter.walletId);
  if (filter.kind !== null) query["type"] = filter.kind;
  if (filter.from) query["from"] = filter.from;
  if (filter.to) query["to"] = filter.to;
  if (filter.search.trim()) query["q"] = filter.search.trim();
  return query;
}

/** Types that take something back. */
const RETURNED = ["release", "refund", "expiry", "topup_reversal", "transfer_reversal", "withdrawal_reversal"];

export function kindOf(one: Transaction): Kind {
  if (one.type === "transfer") return one.direction === "in" ? "in" : "out";
  if (RETURNED.includes(one.type)) return "returned";
  return KINDS.find((kind) => kind === one.type) ?? "withdrawal";
}

/** Whether it is asked for. The wallet is not looked at: the API lists one wallet's alone. `title` is what the page calls it. */
export function matches(filter: Filter, one: Transaction, title: string): boolean {
  const day = dayOf(one.created_at);
  if (filter.kind !== null && kindOf(one) !== filter.kind) return false;
  if ((filter.from && day < filter.from) || (filter.to && day > filter.to)) return false;
  const wanted = filter.search.trim().toLocaleLowerCase();
  if (wanted === "") return true;
  const digits = wanted.replace(/[.,\s]/g, "");
  const isAmount = /^\d+$/.test(digits) && String(one.amount).includes(digits);
  return isAmount || `${title} ${one.description} ${one.id}`.toLocaleLowerCase().includes(wanted);
}

export interface Day {
  day: string;
  movements: Transaction[];
}

/** The movements by day, in their order. */
export function byDay(movements: readonly Transaction[]): Day[] {
  const days: Day[] = [];
  for (const one of movements) {
    const day = dayOf(one.created_at);
    const last = days.at(-1);
    if (last?.day === day) last.movements.push(one);
    else days.push({ day, movements: [one] });
  }
  return days;
}

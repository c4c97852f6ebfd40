// Sums by day, for the chart and for the table behind it.

import type { Transaction } from "../api/queries";
import { dayOf } from "../time";

export interface DaySum {
  day: string;
  in: number;
  out: number;
}

/** The last `count` days up to `now`, the oldest first, each with what came in and went out in this currency. */
export function sumsByDay(movements: readonly Transaction[], currency: string, count: number, now: Date): DaySum[] {
  const days = new Map<string, DaySum>();
  for (let back = count - 1; back >= 0; back--) {
    const date = new Date(now.getFullYear(), now.getMonth(), now.getDate() - back, 12);
    days.set(dayOf(date), { day: dayOf(date), in: 0, out: 0 });
  }
  for (const one of movements) {
    const sum = one.currency === currency ? days.get(dayOf(one.created_at)) : undefined;
    // A figure to look at: it stays below the last whole number that is exact.
    if (sum) sum[one.direction === "in" ? "in" : "out"] = Math.min(sum[one.direction === "in" ? "in" : "out"] + one.amount, Number.MAX_SAFE_INTEGER);
  }
  return [...days.values()];
}

// How much more a wallet's limits allow, so that nobody fills in a form for nothing. The ledger decides.

import type { components } from "../api/schema";
import type { Order } from "./intent";

export type Limit = components["schemas"]["LimitView"];

export interface Room {
  /** The most that one more movement may have, in the smallest unit. */
  left: number;
  /** When there is more again; `null` where no time brings that. */
  resetsAt: string | null;
}

/** The narrowest of the limits that are about such a movement; `null` where there is none. */
export function roomFor(limits: readonly Limit[], kind: Order["kind"]): Room | null {
  const [name, direction] = { topup: ["topup", "in"], pay: ["payment", "out"], transfer: ["transfer", "out"] }[kind] as [string, string];
  const rooms = limits
    .filter((one) => [direction, "both"].includes(one.direction) && (one.kinds.length === 0 || one.kinds.includes(name)))
    .filter((one) => one.measure === "amount" || one.used >= one.max)
    .map((one) => ({ left: Math.max(one.measure === "amount" ? one.max - one.used : 0, 0), resetsAt: one.resets_at ?? null }));
  return rooms.reduce<Room | null>((least, room) => (least === null || room.left < least.left ? room : least), null);
}

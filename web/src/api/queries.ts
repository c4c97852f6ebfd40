// What the pages read, and how long it stays fresh.

import { useInfiniteQuery, useQuery, type QueryClient } from "@tanstack/vue-query";
import { computed, ref, toValue, type MaybeRefOrGetter } from "vue";
import type { Done } from "../payment/settle";
import type { Intent } from "../payment/intent";
import type { components } from "./schema";
import { api, ask, Failure } from "./client";
import { user } from "../session";

type Schemas = components["schemas"];
export type Wallet = Schemas["Wallet"];
export type Transaction = Schemas["TransactionView"];
export type Person = Schemas["User"];

/** One page of a list. */
export const PAGE_SIZE = 50;
/** The most pages that an export or the statistics read. */
export const PAGES_MAX = 40;

/** When histories were last known to be complete; the ledger may be away since. */
export const lastCompleteAt = ref<number | null>(null);

/** The first part of every key: nothing of one user is shown to the next. */
const own = () => user.value?.id ?? 0;

export function useWallets() {
  return useQuery({
    queryKey: ["wallets", computed(own)],
    queryFn: async () => (await ask(api.GET("/api/v1/wallets"))).body.wallets,
  });
}

/** What a wallet's limits allow. Without an answer a form does without: the server decides. */
export function useLimits(walletId: MaybeRefOrGetter<number>) {
  return useQuery({
    queryKey: ["limits", computed(own), computed(() => toValue(walletId))],
    queryFn: async () => (await ask(api.GET("/api/v1/wallets/{id}/limits", { params: { path: { id: toValue(walletId) } } }))).body.limits,
    enabled: computed(() => toValue(walletId) > 0),
  });
}

export interface TransactionPage {
  transactions: Transaction[];
  next?: number | null;
  isBehind: boolean;
}

export async function transactionPage(before: number | null, walletId: number | null, limit = PAGE_SIZE): Promise<TransactionPage> {
  const query = before === null ? { limit } : { limit, before };
  const call =
    walletId === null
      ? api.GET("/api/v1/transactions", { params: { query } })
      : api.GET("/api/v1/transactions/wallet/{wallet_id}", { params: { path: { wallet_id: walletId }, query } });
  const { body, headers } = await ask(call);
  const isBehind = headers.get("x-data-behind") === "true";
  if (!isBehind) lastCompleteAt.value = Date.now();
  return { ...body, isBehind };
}

export function useTransactions(walletId: MaybeRefOrGetter<number | null>) {
  return useInfiniteQuery({
    queryKey: ["transactions", computed(own), computed(() => toValue(walletId))],
    queryFn: ({ pageParam }) => transactionPage(pageParam, toValue(walletId)),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next ?? null,
  });
}

export function useReceipt(id: MaybeRefOrGetter<number>) {
  return useQuery({
    queryKey: ["receipt", computed(own), computed(() => toValue(id))],
    queryFn: async () =>
      (await ask(api.GET("/api/v1/transactions/{id}/receipt", { params: { path: { id: toValue(id) } } }))).body,
    // A movement never changes.
    staleTime: Infinity,
  });
}

export function useStats(currency: MaybeRefOrGetter<string>) {
  return useQuery({
    queryKey: ["stats", computed(own), computed(() => toValue(currency))],
    queryFn: async () =>
      (await ask(api.GET("/api/v1/transactions/stats", { params: { query: { currency: toValue(currency) } } }))).body,
  });
}

export function usePeople() {
  return useInfiniteQuery({
    queryKey: ["people", computed(own)],
    queryFn: async ({ pageParam }) => {
      const query = pageParam === null ? { limit: PAGE_SIZE } : { limit: PAGE_SIZE, before: pageParam };
      return (await ask(api.GET("/api/v1/users", { params: { query } }))).body;
    },
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next ?? null,
  });
}

export async function person(id: number): Promise<Person> {
  return (await ask(api.GET("/api/v1/users/{id}", { params: { path: { id } } }))).body.user;
}

/** Sends a movement under its key. */
export async function move({ key, order }: Intent): Promise<Done> {
  const header = { "Idempotency-Key": key };
  switch (order.kind) {
    case "topup": {
      const path = { id: order.walletId };
      const body = { amount: order.amount };
      const made = await ask(api.POST("/api/v1/wallets/{id}/topup", { params: { path, header }, body }));
      return { createdAt: null, paymentId: null, balanceAfter: made.body.wallet.balance };
    }
    case "pay": {
      const body = { wallet_id: order.walletId, merchant: order.merchant, amount: order.amount };
      const { payment } = (await ask(api.POST("/api/v1/payments/pay", { params: { header }, body }))).body;
      return { createdAt: payment.created_at, paymentId: payment.id, balanceAfter: null };
    }
    case "transfer": {
      const body = { from_wallet_id: order.walletId, to_user_id: order.toUserId, amount: order.amount };
      const made = await ask(api.POST("/api/v1/payments/transfer", { params: { header }, body }));
      return { createdAt: made.body.created_at, paymentId: null, balanceAfter: null };
    }
  }
}

/** What became of a movement, by its key alone; `null` where the server has nothing of it, up to now. */
export async function lookUp({ key }: Intent): Promise<Done | null> {
  try {
    const { body } = await ask(api.GET("/api/v1/requests/{key}", { params: { path: { key } } }));
    const [made] = body.requests;
    if (made === undefined) return null;
    return { createdAt: made.created_at, paymentId: made.payment_id ?? null, balanceAfter: made.balance_after ?? null };
  } catch (error) {
    if (error instanceof Failure && error.code === "request_not_found") return null;
    throw error;
  }
}

/** The transaction that a movement became. Not every answer names it, so it is found by what is known of it; `null` where it is not. */
export async function transactionOf({ order }: Intent, done: Done): Promise<Transaction | null> {
  const page = await transactionPage(null, order.walletId);
  const isIt = (one: Transaction) => {
    if (one.amount !== order.amount) return false;
    if (order.kind === "pay") return one.payment_id === done.paymentId;
    if (order.kind === "topup") return one.type === "topup" && one.balance_after === done.balanceAfter;
    return one.type === "transfer" && one.direction === "out" && one.created_at === done.createdAt;
  };
  return page.transactions.find(isIt) ?? null;
}

/** Money moved: what was read before is old. */
export function refresh(client: QueryClient): void {
  for (const key of ["wallets", "transactions", "stats", "limits"]) void client.invalidateQueries({ queryKey: [key] });
}

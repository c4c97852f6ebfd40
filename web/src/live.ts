// Movements as they are committed: the stream of `GET /events`, read with `fetch`, because a browser's EventSource can send no header.
//
// What must hold: after a gap that the stream cannot fill, everything is read again; a stream that ends or falls silent is opened again,
// each time later; who is told to make room for others of the same user comes back only when this page is looked at again.

import type { InfiniteData, QueryClient } from "@tanstack/vue-query";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { onScopeDispose, reactive, ref, watch } from "vue";
import { openEvents } from "./api/client";
import { refresh, type Transaction, type TransactionPage } from "./api/queries";
import { user } from "./session";

/** The server sends a comment every 15 s. */
const SILENCE_MAX_MS = 45_000;
const RETRY_MIN_MS = 2_000;
const RETRY_MAX_MS = 60_000;
/** As long as a row that came by itself is marked. */
const FRESH_FOR_MS = 6_000;

/** The newest movement that came in by itself. */
export const arrived = ref<Transaction | null>(null);
/** The transactions that came by themselves a moment ago. */
export const fresh = reactive(new Set<number>());

type End = "gone" | "replaced" | "token";

/** Follows the stream of whoever is signed in, for as long as the component is there. */
export function useLive(queries: QueryClient): void {
  let stop = new AbortController();
  watch(
    () => user.value?.id,
    (owner) => {
      stop.abort();
      stop = new AbortController();
      arrived.value = null;
      if (owner !== undefined) void follow(owner, queries, stop.signal);
    },
    { immediate: true },
  );
  onScopeDispose(() => stop.abort());
}

async function follow(owner: number, queries: QueryClient, stop: AbortSignal): Promise<void> {
  let lastId: string | null = null;
  let attempt = 0;
  const hear = ({ event, id, data }: EventSourceMessage): End | null => {
    if (event === "end") return (JSON.parse(data) as { reason: string }).reason === "replaced" ? "replaced" : "gone";
    if (event === "ready") {
      attempt = 0;
      if (!(JSON.parse(data) as { complete: boolean }).complete && !shows(queries, owner, Number(id))) refresh(queries);
    } else if (event === "movement") take(JSON.parse(data) as Transaction, queries);
    lastId = id ?? lastId;
    return null;
  };
  while (!stop.aborted) {
    const { end, retryAfterMs } = await listen(lastId, hear, stop);
    if (end === "token" || stop.aborted) return;
    if (end === "replaced") await lookedAtAgain(stop);
    else await pause(retryAfterMs ?? Math.min(RETRY_MIN_MS * 2 ** attempt++, RETRY_MAX_MS) * (0.5 + Math.random() / 2), stop);
  }
}

/** Reads one stream to its end. */
async function listen(lastId: string | null, hear: (message: EventSourceMessage) => End | null, stop: AbortSignal) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
  let end: End | null = null;
  try {
    const response = await openEvents(lastId, AbortSignal.any([stop, silence.signal]));
    if (response.status === 401) return { end: "token" as End, retryAfterMs: null };
    if (!response.ok || response.body === null) {
      const seconds = Number(response.headers.get("retry-after") ?? NaN);
      return { end: "gone" as End, retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null };
    }
    const parser = createParser({ onEvent: (message) => (end = hear(message) ?? end) });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    while (end === null) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
      parser.feed(value);
    }
  } catch {
    // The connection broke, fell silent, or is not wanted any more.
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
  return { end: end ?? ("gone" as End), retryAfterMs: null };
}

function take(one: Transaction, queries: QueryClient): void {
  fresh.add(one.id);
  setTimeout(() => fresh.delete(one.id), FRESH_FOR_MS);
  if (one.direction === "in") arrived.value = one;
  refresh(queries);
}

/** Whether what was read has this transaction already, or nothing was read yet. */
function shows(queries: QueryClient, owner: number, id: number): boolean {
  const read = queries.getQueryData<InfiniteData<TransactionPage>>(["transactions", owner, null]);
  const first = read?.pages[0]?.transactions;
  return first === undefined || first.some((one) => one.id === id);
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      window.removeEventListener("online", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    window.addEventListener("online", wake);
    stop.addEventListener("abort", wake, { once: true });
  });
}

function lookedAtAgain(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== "visible" && !stop.aborted) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    stop.addEventListener("abort", look, { once: true });
  });
}

// Calls to the API, typed by its OpenAPI document. Every failure is a `Failure`; nothing else is thrown.

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema";
import { base } from "../base";
import { ANYBODY, HEADER, begin, current, end, expire, isSignedInElsewhere, named } from "../session";

/** Longer than the gateway's own limit (`REQUEST_TIMEOUT`, 5 s), so that its answer comes first. */
export const ANSWER_LIMIT_MS = 10_000;

export type ErrorBody = components["schemas"]["ErrorBody"];

/** Why a call has no result: an answer that says so, or no answer. */
export class Failure extends Error {
  constructor(
    /** 0 where there was no answer. */
    readonly status: number,
    readonly code: string,
    readonly retryAfterMs: number | null,
    readonly field: string | null,
    readonly traceId: string | null,
  ) {
    super(`${status} ${code}`);
  }

  /** Whether the same call may have another result in a moment. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const api: Client<paths> = createClient<paths>({ baseUrl: base });

/** The session that each call was made in. */
const sessions = new WeakMap<Request, number>();

api.use({
  onRequest({ request }) {
    const who = named();
    if (who !== null && !request.headers.has(HEADER)) request.headers.set(HEADER, who);
    const sent = new Request(request, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS), cache: "no-store" });
    sessions.set(sent, current());
    return sent;
  },
  onResponse({ request, response }) {
    if (response.status === 401) expire(sessions.get(request) ?? -1);
  },
});

/** Finds out who is signed in, where another tab says that somebody is. */
export async function takeUp(): Promise<void> {
  if (!isSignedInElsewhere()) return;
  try {
    begin((await ask(api.GET("/api/v1/users/verify", { headers: { [HEADER]: ANYBODY } }))).body.user);
  } catch (error) {
    if (error instanceof Failure && error.status === 401) end();
  }
}

/** Opens the stream of events, after the event with this id. */
export async function openEvents(lastId: string | null, signal: AbortSignal): Promise<Response> {
  const [who, session] = [named(), current()];
  const headers = new Headers({ accept: "text/event-stream" });
  if (who !== null) headers.set(HEADER, who);
  if (lastId !== null) headers.set("last-event-id", lastId);
  const response = await fetch(`${base}api/v1/events`, { headers, signal, cache: "no-store" });
  if (response.status === 401) expire(session);
  return response;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a good answer with the answer's headers. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<{ body: T; headers: Headers }> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch {
    // No answer, half an answer, or one that is no JSON.
    throw new Failure(0, navigator.onLine ? "no_answer" : "offline", null, null, null);
  }
  const { data, error, response } = answer;
  // Without a body (204) there is no data; nobody who asks for such a call reads any.
  if (response.ok) return { body: data as T, headers: response.headers };
  const body = (typeof error === "object" ? error : null) as ErrorBody | null;
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  throw new Failure(
    response.status,
    body?.code ?? "unknown",
    Number.isFinite(seconds) ? seconds * 1000 : null,
    body?.field ?? null,
    body?.trace_id ?? response.headers.get("x-trace-id"),
  );
}

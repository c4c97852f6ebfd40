// Plays what clients of the original Flask system send (requests.json: the twenty requests of its Postman collection, and its failures)
// against a wallet with demo data, and checks what those clients rely on. Each is sent as the collection sent it and with the fields that
// pages add, with and without the word Bearer, under both prefixes and at each service's own port.
//
//   node tests/original/requests.mjs <gateway> <user> <wallet> <transaction> <payment>      addresses, such as http://localhost:5000

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const ORIGIN = "http://old.example:8080";
const [gateway, user, wallet, transaction, payment] = process.argv.slice(2);
const services = { auth: user, users: user, wallets: wallet, transactions: transaction, payments: payment };

/** Where a path is answered: through the gateway under a prefix, or by the service itself. */
const doors = {
  "/api": (path) => `${gateway}/api${path}`,
  "/api/v1": (path) => `${gateway}/api/v1${path}`,
  "the service's own port": (path) => `${services[path.split("/")[1]] ?? user}${path}`,
};
const requests = JSON.parse(readFileSync(new URL("requests.json", import.meta.url)));

/** Everything of `expected` is in `actual`; of a list, the first items. */
function contains(actual, expected) {
  if (expected === null || typeof expected !== "object") return actual === expected;
  return Object.entries(expected).every(([key, value]) => actual !== null && typeof actual === "object" && contains(actual[key], value));
}

const at = (body, path) => path.split(".").reduce((value, key) => value?.[key], body);

async function send(request, door, authorization, body) {
  const [method, path] = request.call.split(" ");
  const headers = { Origin: ORIGIN };
  if (authorization) headers.Authorization = authorization;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const url = request.root ? gateway + path : doors[door](path);
  const text = body === undefined ? undefined : JSON.stringify(body).replaceAll("{unique}", randomUUID());
  const answer = await fetch(url, { method, headers, body: text });
  return { answer, body: await answer.json() };
}

/** What is not as old clients expect it. */
function flaws(request, { answer, body }) {
  const flaws = [];
  if (answer.status !== request.status) flaws.push(`the status is ${answer.status}, not ${request.status}`);
  if (request.error && body.error !== request.error) flaws.push(`it says ${JSON.stringify(body.error)}, not ${JSON.stringify(request.error)}`);
  if (request.status >= 400) {
    for (const field of ["error", "message"]) if (!body[field] || typeof body[field] !== "string") flaws.push(`there is no ${field}`);
  }
  if (request.is && !contains(body, request.is)) flaws.push(`it lacks something of ${JSON.stringify(request.is)}`);
  for (const path of request.has ?? []) if (at(body, path) === undefined) flaws.push(`it has no ${path}`);
  const createdAt = at(body, "transactions.0.created_at") ?? at(body, "payments.0.created_at");
  if (createdAt && Number.isNaN(new Date(createdAt).getTime())) flaws.push(`${createdAt} is no time`);
  if (!["*", ORIGIN].includes(answer.headers.get("access-control-allow-origin"))) flaws.push("a page of another origin may not read it");
  return flaws.map((flaw) => `${flaw}: ${JSON.stringify(body).slice(0, 300)}`);
}

let sent = 0;
let failed = 0;
for (const door of Object.keys(doors)) {
  const login = await send(requests[0], door, undefined, requests[0].body);
  const { token } = login.body;
  for (const scheme of ["Bearer ", "", "bearer "]) {
    for (const withExtra of [false, true]) {
      for (const request of requests) {
        if (withExtra && !request.extra) continue;
        const authorization = request.token === false ? undefined : scheme + (request.token ?? token);
        const body = withExtra ? { ...request.body, ...request.extra } : request.body;
        const wrong = flaws(request, await send(request, door, authorization, body));
        sent += 1;
        failed += wrong.length ? 1 : 0;
        for (const flaw of wrong) console.error(`${request.name} (${door}, "${scheme}", ${withExtra ? "more fields" : "as it was"}): ${flaw}`);
      }
    }
  }
}
console.log(`${sent} requests of the original's clients, ${failed} with another answer than they expect`);
process.exitCode = failed ? 1 : 0;

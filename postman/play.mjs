// Runs newman as a library, for the scripts beside this one. NEWMAN is the path of its program; without it, it is looked for where Node.js
// looks for packages of this folder.
//
// GATEWAY_PORT and so on say where the services are on this machine; ADMIN_EMAIL and ADMIN_PASSWORD who the administrator is.

import { readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";

/** Nobody listens on it: what needs a service that is left out fails. */
const NOBODY = "http://127.0.0.1:9";
const REQUEST_TIMEOUT_MS = 15_000;
const RUN_TIMEOUT_MS = 600_000;

const program = process.env.NEWMAN;
const newman = createRequire(program ? realpathSync(program) : import.meta.url)(program ? ".." : "newman");

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url)));
export const collection = read("dompet.postman_collection.json");

/** The folder or request with this id. */
export function find(id, items = collection.item) {
  for (const item of items) {
    if (item.id === id) return item;
    const below = item.item && find(id, item.item);
    if (below) return below;
  }
}

/** The requests of a folder, in their order. */
export const requests = (item) => (item.item ? item.item.flatMap(requests) : [item]);

const PORTS = {
  base_url: "GATEWAY_PORT",
  user_url: "USER_SERVICE_PORT",
  wallet_url: "WALLET_SERVICE_PORT",
  transaction_url: "TRANSACTION_SERVICE_PORT",
  payment_url: "PAYMENT_SERVICE_PORT",
};

function address(name, reachable) {
  const port = process.env[PORTS[name]];
  if (!port) throw new Error(`${PORTS[name]} is not set`);
  return reachable.includes(name) ? `http://127.0.0.1:${port}` : NOBODY;
}

/**
 * Plays folders and requests, by their ids and in the collection's order; all of it without ids. Only the services in `reachable` are there.
 * Gives what went wrong, and how many requests there were.
 */
export function play({ ids, reachable = Object.keys(PORTS), onAnswer }) {
  const variables = {
    ...Object.fromEntries(Object.keys(PORTS).map((name) => [name, address(name, reachable)])),
    admin_email: process.env.ADMIN_EMAIL ?? "",
    admin_password: process.env.ADMIN_PASSWORD ?? "",
  };
  const options = {
    collection,
    environment: read("dompet.postman_environment.json"),
    envVar: Object.entries(variables).map(([key, value]) => ({ key, value })),
    timeoutRequest: REQUEST_TIMEOUT_MS,
    timeout: RUN_TIMEOUT_MS,
    ...(ids && { folder: ids }),
  };
  return new Promise((resolve, reject) => {
    const run = newman.run(options, (error, summary) => {
      if (error) return reject(error);
      const failures = summary.run.failures.map(({ source, error }) => `${source?.name ?? "the run"}: ${error.name}: ${error.message}`);
      resolve({ failures, requests: summary.run.stats.requests.total });
    });
    run.on("request", (error, { item, response }) => {
      if (!error && onAnswer) onAnswer(item, response);
    });
  });
}

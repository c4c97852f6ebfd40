// Plays what a person does, with nothing but what it is said to need: each folder alone, with every other service out of reach, and each
// request of *By hand* and of the services' folders right after its log-in.
//
//   GATEWAY_PORT=5000 USER_SERVICE_PORT=5001 … node postman/alone.mjs

import { find, play, requests } from "./play.mjs";

/** Folders, and which addresses each may need. */
const NEEDS = {
  "by-hand": ["base_url"],
  "each-service/user-service": ["user_url"],
  "each-service/wallet-service": ["user_url", "wallet_url"],
  "each-service/transaction-service": ["user_url", "transaction_url"],
  "each-service/payment-service": ["user_url", "payment_url"],
  health: ["base_url"],
  "full-story": ["base_url"],
  failures: ["base_url"],
  "each-endpoint": ["base_url"],
};

/** A request that says that another one comes before it. */
const AFTER = {
  "each-service/user-service/delete-them": "each-service/user-service/register",
  "each-service/wallet-service/set-a-wallets-status": "each-service/wallet-service/log-in-as-the-administrator",
};

let failed = 0;
async function plays(what, ids, reachable, requests_min) {
  const { failures, requests } = await play({ ids, reachable });
  const few = requests < requests_min ? [`only ${requests} requests were sent`] : [];
  for (const failure of [...failures, ...few]) {
    console.error(`${what}: ${failure}`);
    failed += 1;
  }
}

for (const [id, reachable] of Object.entries(NEEDS)) {
  const all = requests(find(id));
  await plays(id, [id], reachable, all.length / 2);
  console.log(`${id}: ${all.length} requests, with ${reachable.join(" and ")} alone`);
  const logIn = `${id}/log-in`;
  if (!find(logIn)) continue;
  for (const request of all.filter((request) => request.id !== logIn)) {
    const before = AFTER[request.id] ? [AFTER[request.id]] : [];
    await plays(request.id, [logIn, ...before, request.id], reachable, 2);
  }
  console.log(`${id}: each after the log-in`);
}
process.exitCode = failed ? 1 : 0;

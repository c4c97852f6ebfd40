// Each service on its own port, as after a `kubectl port-forward`: the same paths, without a prefix.

import { folder, get, number, post } from "./request.mjs";
import { twoPeople } from "./people.mjs";
import { list, object, serviceHealth, session, transaction, wallet, payment } from "./shapes.mjs";

/** Skips the request where the service cannot be reached: its variable is empty then. */
const skipWithout = {
  user_url() {
    if (!pm.environment.get("user_url")) pm.execution.skipRequest();
  },
  wallet_url() {
    if (!pm.environment.get("wallet_url")) pm.execution.skipRequest();
  },
  transaction_url() {
    if (!pm.environment.get("transaction_url")) pm.execution.skipRequest();
  },
  payment_url() {
    if (!pm.environment.get("payment_url")) pm.execution.skipRequest();
  },
};

const at = (call, base, name, path, options) => call(name, path, { base, before: skipWithout[base], ...options });

export const services = folder(
  "Each service",
  "Straight to a service, past the gateway. Where only the gateway can be reached, empty user_url, wallet_url, transaction_url and payment_url: then these are skipped.",
  [
    folder("Two people", "They register at the gateway; their tokens are good everywhere.", twoPeople(1_000)),
    ...["user", "wallet", "transaction", "payment"].map((service) =>
      at(get, `${service}_url`, `Health of the ${service} service`, "/health", {
        token: null,
        status: 200,
        shape: serviceHealth,
        example: { service: `${service}-service`, status: "healthy", timestamp: "2026-11-22T08:15:30.123456Z" },
      }),
    ),
    at(post, "user_url", "Log in", "/auth/login", {
      token: null,
      body: { email: "{{email}}", password: "correct horse" },
      status: 200,
      shape: session,
    }),
    at(get, "wallet_url", "Wallets", "/wallets", { status: 200, shape: object({ wallets: list(wallet) }) }),
    at(get, "transaction_url", "Transactions", "/transactions", {
      status: 200,
      shape: object({ transactions: list(transaction) }),
    }),
    at(get, "payment_url", "Payments", "/payments", { status: 200, shape: object({ payments: list(payment) }) }),
    at(post, "wallet_url", "A user may not deduct", "/wallets/{{wallet_id}}/deduct", {
      about: "Only services may. A user's token can never stand in for a service's.",
      body: { amount: 1 },
      status: 403,
      error: "Unauthorized",
      code: "services_only",
    }),
    at(post, "transaction_url", "A user may not record a transaction", "/transactions", {
      body: { wallet_id: number("wallet_id"), type: "topup", amount: 1, description: "Out of thin air" },
      status: 403,
      error: "Unauthorized",
      code: "services_only",
    }),
    at(get, "user_url", "A user may not ask what services ask", "/internal/sessions?after=0", {
      status: 403,
      error: "Unauthorized",
      code: "services_only",
    }),
  ],
);

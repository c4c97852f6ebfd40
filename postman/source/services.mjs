// Each service on its own port, as after a `kubectl port-forward` to it: the same paths, without a prefix. Nothing here goes through the
// gateway, and besides the service itself only the user service is asked, for a token.

import { folder, get, number, post, put, remove } from "./request.mjs";
import { keepMe, keepWallet, logIn, onceKey } from "./byhand.mjs";
import {
  balance,
  jwks,
  list,
  object,
  paid,
  pastBalance,
  payment,
  receipt,
  sent,
  serviceHealth,
  session,
  stats,
  toppedUp,
  transaction,
  user,
  wallet,
} from "./shapes.mjs";

/** Skips a request where its service cannot be reached or nobody is named to log in as. */
const skip = (needs, also) => [
  `if (${JSON.stringify(needs)}.some((name) => !pm.environment.get(name))) pm.execution.skipRequest();`,
  ...(also ?? []),
];

/** The requests of one service: `call` is `get` and so on. */
function at(service) {
  const base = `${service}_url`;
  return (call, name, path, { needs = ["my_email"], also, ...options }) =>
    call(name, path, { base, before: skip([base, "user_url", ...needs], also), ...options });
}

function asService(service, port, more, item) {
  const head = [
    `The ${service} service at \`${service}_url\`, past the gateway.${service === "user" ? "" : " Its folder begins with a log-in at the user service: send it first, then any other."}`,
    "",
    "```",
    ...(service === "user" ? [] : ["kubectl -n dompet port-forward service/dompet-user 5001:5001 &"]),
    `kubectl -n dompet port-forward service/dompet-${service} ${port}:${port}`,
    "```",
    "",
    more,
    `Where \`${service}_url\` or \`user_url\` is empty in the environment, the folder is skipped.`,
  ];
  const name = `${service[0].toUpperCase()}${service.slice(1)} service`;
  const probe = (title, path, options) => get(title, path, { base: `${service}_url`, token: null, before: skip([`${service}_url`]), ...options });
  const first = logIn(keepMe.toString().split("\n").slice(1, -1), {
    base: "user_url",
    before: skip([`${service}_url`, "user_url", "my_email"]),
    about: "At the user service, as the person that the environment names, John at first. Keeps the token.",
  });
  const probes = [
    probe("Health", "/health", { status: 200, shape: serviceHealth }),
    probe("Liveness", "/livez", { status: 200 }),
    probe("Readiness", "/readyz", { status: 200 }),
    probe("Metrics", "/metrics", { status: 200 }),
  ];
  return folder(name, head.join("\n"), [first, ...item, ...probes], { token: "my_token" });
}

const refused = { status: 403, error: "Unauthorized", code: "services_only" };

const users = at("user");
const userService = asService(
  "user",
  5001,
  "*Register* and *Delete them* are about a new user, so that nobody of the demo is lost.",
  [
    users(get, "The user of the token", "/users/verify", { status: 200, shape: object({ user }) }),
    users(get, "List users", "/users", { status: 200, shape: object({ users: list(user) }) }),
    users(get, "Show a user", "/users/{{receiver_user_id}}", { status: 200, shape: object({ user }) }),
    users(put, "Change oneself", "/users/{{my_user_id}}", { body: { phone: "081234567890" }, status: 200, shape: object({ user }) }),
    users(post, "Register", "/auth/register", {
      token: null,
      needs: [],
      about: "A new user. Keeps `new_token` and `new_user_id` for *Delete them*, and leaves who is logged in as it is.",
      headers: onceKey,
      body: { name: "Citra", email: "citra-{{$guid}}@example.com", phone: "081200000004", password: "correct horse" },
      status: 201,
      shape: session,
      test() {
        if (pm.response.code === 201) {
          const { token, user } = pm.response.json();
          pm.environment.set("new_token", token);
          pm.environment.set("new_user_id", user.id);
        }
      },
    }),
    users(remove, "Delete them", "/users/{{new_user_id}}", {
      token: "new_token",
      needs: ["new_token"],
      about: "Deletes the user that *Register* made; send that first. Only a user themselves and an administrator may.",
      status: 200,
      shape: object({ message: { type: "string" } }),
    }),
    users(get, "The keys that tokens are signed with", "/.well-known/jwks.json", { token: null, needs: [], status: 200, shape: jwks }),
    users(get, "A user may not ask what services ask", "/internal/sessions?after=0", refused),
    users(post, "Log out", "/auth/logout", { about: "Ends this session, and no other. Then *Log in* comes first again.", status: 204 }),
  ],
);

const wallets = at("wallet");
const walletService = asService(
  "wallet",
  5002,
  "`my_wallet_id` is John's wallet 1 at first; *My wallets* keeps the first of whoever is logged in.",
  [
    wallets(get, "My wallets", "/wallets", {
      about: "The oldest first. Keeps the first one's id as `my_wallet_id`.",
      status: 200,
      shape: object({ wallets: list(wallet) }),
      test: keepWallet("pm.response.json().wallets[0]"),
    }),
    wallets(post, "Open a wallet", "/wallets", {
      about: "One for each currency: where there is one in SGD, the answer is 400 `User already has a wallet`.",
      body: { currency: "SGD" },
      test: [
        'pm.test("it is open, or was", () => pm.expect([201, 400]).to.include(pm.response.code));',
        'if (pm.response.code === 400) pm.test("it was open", () => pm.expect(pm.response.json().error).to.eql("User already has a wallet"));',
      ],
    }),
    wallets(get, "Show a wallet", "/wallets/{{my_wallet_id}}", { status: 200, shape: object({ wallet }) }),
    wallets(get, "Its balance", "/wallets/{{my_wallet_id}}/balance", { status: 200, shape: balance }),
    wallets(post, "Top up", "/wallets/{{my_wallet_id}}/topup", { headers: onceKey, body: { amount: 50_000 }, status: 200, shape: toppedUp }),
    wallets(get, "A request that is not there", "/requests/never-sent", { status: 404, error: "Request not found", code: "request_not_found" }),
    wallets(post, "A user may not deduct", "/wallets/{{my_wallet_id}}/deduct", { body: { amount: 1 }, ...refused }),
    wallets(post, "Log in as the administrator", "/auth/login", {
      base: "user_url",
      token: null,
      needs: ["admin_email", "admin_password"],
      about: "At the user service, as `admin_email`. Keeps the token as `admin_token`.",
      body: { email: "{{admin_email}}", password: "{{admin_password}}" },
      status: 200,
      shape: session,
      test() {
        if (pm.response.code === 200) pm.environment.set("admin_token", pm.response.json().token);
      },
    }),
    wallets(put, "Set a wallet's status", "/wallets/{{my_wallet_id}}/status", {
      token: "admin_token",
      needs: ["my_email", "admin_email"],
      about: "`frozen`: no money moves in or out until it is `active` again. For administrators, so *Log in as the administrator* comes before it.",
      body: { status: "active" },
      status: 200,
      shape: object({ wallet }),
    }),
    wallets(get, "A user may not read the ledger's log", "/internal/log?after=0&limit=1", {
      about: "What other services follow. A user's token can never stand in for a service's.",
      ...refused,
    }),
  ],
);

const transactions = at("transaction");
const transactionService = asService(
  "transaction",
  5003,
  "`my_wallet_id` and `my_transaction_id` are John's at first; *List transactions* keeps those of the newest entry.",
  [
    transactions(get, "List transactions", "/transactions", {
      about: "The newest first. Keeps the newest one's id, and its wallet's, as `my_transaction_id` and `my_wallet_id`.",
      status: 200,
      shape: object({ transactions: list(transaction) }),
      test() {
        const newest = pm.response.code === 200 && pm.response.json().transactions[0];
        if (newest) {
          pm.environment.set("my_transaction_id", newest.id);
          pm.environment.set("my_wallet_id", newest.wallet_id);
        }
      },
    }),
    transactions(get, "What is older than that", "/transactions?limit=1&before={{my_transaction_id}}", {
      about: "A page: at most `limit`, and what comes after the transaction `before` in the list. `next` is what `before` is for the page after.",
      status: 200,
      shape: object({ transactions: list(transaction) }),
    }),
    transactions(get, "Show a transaction", "/transactions/{{my_transaction_id}}", { status: 200, shape: object({ transaction }) }),
    transactions(get, "Its receipt", "/transactions/{{my_transaction_id}}/receipt", { status: 200, shape: object({ transaction, receipt }) }),
    transactions(get, "Those of one wallet", "/transactions/wallet/{{my_wallet_id}}", {
      status: 200,
      shape: object({ transactions: list(transaction) }),
    }),
    transactions(get, "Statistics", "/transactions/stats", { status: 200, shape: stats }),
    transactions(get, "A balance of the past", "/wallets/{{my_wallet_id}}/balance?at=2020-01-01T00:00:00Z", {
      about: "What a wallet held at a moment. History is here, so this service answers it; the gateway sends the call here.",
      status: 200,
      shape: pastBalance,
    }),
    transactions(post, "A user may not record a transaction", "/transactions", {
      body: { wallet_id: number("my_wallet_id"), type: "topup", amount: 1, description: "Out of thin air" },
      ...refused,
    }),
  ],
);

const payments = at("payment");
const paymentService = asService(
  "payment",
  5004,
  "`my_wallet_id`, which pays, is John's wallet 1 at first, and `receiver_user_id` is Jane. For another user set them, or send *My wallets* of the wallet service.",
  [
    payments(post, "Pay a merchant", "/payments/pay", {
      about: "With an `Idempotency-Key` a repeat is safe. Keeps the payment's id as `my_payment_id`.",
      headers: onceKey,
      body: { wallet_id: number("my_wallet_id"), merchant: "Tokopedia", amount: 25_000 },
      status: 201,
      shape: paid,
      test() {
        if (pm.response.code === 201) pm.environment.set("my_payment_id", pm.response.json().payment.id);
      },
    }),
    payments(post, "Send to another user", "/payments/transfer", {
      headers: onceKey,
      body: { from_wallet_id: number("my_wallet_id"), to_user_id: number("receiver_user_id"), amount: 10_000 },
      status: 201,
      shape: sent,
    }),
    payments(get, "List payments", "/payments", { status: 200, shape: object({ payments: list(payment) }) }),
    payments(get, "Show a payment", "/payments/{{my_payment_id}}", { status: 200, shape: object({ payment }) }),
  ],
);

export const services = folder(
  "Each service",
  "The services on their own ports, past the gateway, each with all its endpoints. A folder needs its service, and the user service for a token.",
  [userService, walletService, transactionService, paymentService],
);

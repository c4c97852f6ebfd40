// What a person does with the collection open: log in, and then any request in any order. Each stands on its own: the
// environment's variables that begin with `my_` are all that they share, and those have values from the start that fit the demo users.

import { folder, get, number, post, put } from "./request.mjs";
import { list, object, paid, payment, receipt, sent, session, stats, toppedUp, transaction, user, wallet } from "./shapes.mjs";

/** Skips the request in an automatic run where nobody is named to log in as: there are no demo users. */
export function needsMe() {
  if (!pm.environment.get("my_email")) pm.execution.skipRequest();
}

/** Keeps who logged in, for every request of a person's. */
export function keepMe() {
  if (pm.response.code === 200) {
    const { token, user } = pm.response.json();
    pm.environment.set("my_token", token);
    pm.environment.set("my_user_id", user.id);
  }
}

/** And the newest of what they have, so that no list must be asked first. */
function keepMineToo() {
  const keep = (path, take) =>
    pm.sendRequest(
      { url: pm.variables.replaceIn("{{base_url}}/api/v1") + path, header: { Authorization: `Bearer ${pm.environment.get("my_token")}` } },
      (error, answer) => {
        if (!error && answer.code === 200) take(answer.json());
      },
    );
  if (pm.response.code === 200) {
    keep("/wallets", ({ wallets }) => wallets.length && pm.environment.set("my_wallet_id", wallets[0].id));
    keep("/payments?limit=1", ({ payments }) => payments.length && pm.environment.set("my_payment_id", payments[0].id));
    keep("/transactions?limit=1", ({ transactions }) => transactions.length && pm.environment.set("my_transaction_id", transactions[0].id));
  }
}

/** A log-in as the person whom the environment names; at the gateway, or at `base`. */
export function logIn(lines, options) {
  return post("Log in", "/auth/login", {
    token: null,
    body: { email: "{{my_email}}", password: "{{my_password}}" },
    status: 200,
    shape: session,
    before: needsMe,
    test: lines,
    ...options,
  });
}

/** A request of a person's that is skipped where there is none. */
export const mine = (call, name, path, options) => call(name, path, { before: needsMe, ...options });

export const onceKey = { "Idempotency-Key": "{{$guid}}" };

export const keepWallet = (pick) => [
  `const kept = ${pick};`,
  `if (kept) pm.environment.set("my_wallet_id", kept.id);`,
];

/** The lines of functions, one after the other. */
const bodies = (...checks) =>
  checks.flatMap((check) => {
    const lines = check.toString().split("\n").slice(1, -1);
    return ["{", ...lines, "}"];
  });

export const byHand = folder(
  "By hand",
  [
    "For a person. Choose an environment, send *Log in* once, and then any of the others, in any order and as often as you like.",
    "",
    "*Log in* is John, a demo user of the local mode, of Tilt and of `values-dev.yaml` (Jane and Bob are users 2 and 3; the password is the same).",
    "It keeps the token, and the ids of his wallet, his newest payment and his newest transaction: `my_token`, `my_wallet_id`, …",
    "To be somebody else, set `my_email` and `my_password` in the environment; where there are no demo users, send *Register* first and then",
    "*Open a wallet*. `receiver_user_id` is who gets a transfer.",
  ].join("\n"),
  [
    logIn(bodies(keepMe, keepMineToo), {
      about:
        "As the person that the environment names, John at first. Keeps their token and the ids of their first wallet, newest payment and newest transaction: every request of this folder works after this one.",
    }),
    mine(get, "My wallets", "/wallets", {
      about: "The oldest first. Keeps the first one's id as `my_wallet_id`.",
      status: 200,
      shape: object({ wallets: list(wallet) }),
      test: keepWallet("pm.response.json().wallets[0]"),
    }),
    mine(get, "My balance", "/wallets/{{my_wallet_id}}/balance", { status: 200 }),
    mine(post, "Top up", "/wallets/{{my_wallet_id}}/topup", {
      about: "Amounts are whole numbers; IDR counts whole rupiah. Each sending has a new `Idempotency-Key`; with the same one the first answer would come again, and no money move.",
      headers: onceKey,
      body: { amount: 50_000 },
      status: 200,
      shape: toppedUp,
    }),
    mine(post, "Pay", "/payments/pay", {
      about: "Pays a merchant, and keeps the payment's id as `my_payment_id`.",
      headers: onceKey,
      body: { wallet_id: number("my_wallet_id"), merchant: "Tokopedia", amount: 25_000 },
      status: 201,
      shape: paid,
      test() {
        if (pm.response.code === 201) pm.environment.set("my_payment_id", pm.response.json().payment.id);
      },
    }),
    mine(post, "Transfer", "/payments/transfer", {
      about: "To the user `receiver_user_id`, who is Jane at first: into their wallet of the same currency.",
      headers: onceKey,
      body: { from_wallet_id: number("my_wallet_id"), to_user_id: number("receiver_user_id"), amount: 10_000 },
      status: 201,
      shape: sent,
    }),
    mine(get, "History", "/transactions", {
      about: "The newest first. Keeps the newest one's id as `my_transaction_id`.",
      status: 200,
      shape: object({ transactions: list(transaction) }),
      test() {
        const newest = pm.response.code === 200 && pm.response.json().transactions[0];
        if (newest) pm.environment.set("my_transaction_id", newest.id);
      },
    }),
    mine(get, "History of my wallet", "/transactions/wallet/{{my_wallet_id}}", {
      status: 200,
      shape: object({ transactions: list(transaction) }),
    }),
    mine(get, "One transaction", "/transactions/{{my_transaction_id}}", { status: 200, shape: object({ transaction }) }),
    mine(get, "Its receipt", "/transactions/{{my_transaction_id}}/receipt", { status: 200, shape: object({ transaction, receipt }) }),
    mine(get, "Statistics", "/transactions/stats", { status: 200, shape: stats }),
    mine(get, "My payments", "/payments", { status: 200, shape: object({ payments: list(payment) }) }),
    mine(get, "One payment", "/payments/{{my_payment_id}}", { status: 200, shape: object({ payment }) }),
    mine(get, "Who am I", "/users/verify", { status: 200, shape: object({ user }) }),
    mine(get, "Users", "/users", { about: "The newest first. Find whom to send money to; their e-mail and phone are masked.", status: 200, shape: object({ users: list(user) }) }),
    mine(put, "Change my phone", "/users/{{my_user_id}}", { body: { phone: "081234567890" }, status: 200, shape: object({ user }) }),
    mine(post, "Open a wallet", "/wallets", {
      about: "Another currency than one has: a second wallet of one currency is refused with 400 `User already has a wallet`. Keeps `my_wallet_id` when the wallet is the first.",
      body: { currency: "SGD" },
      test: [
        'pm.test("it is open, or was", () => pm.expect([201, 400]).to.include(pm.response.code));',
        'if (pm.response.code === 400) pm.test("it was open", () => pm.expect(pm.response.json().error).to.eql("User already has a wallet"));',
      ],
    }),
    mine(post, "Log out", "/auth/logout", { about: "Ends this session. Then *Log in* comes first again.", status: 204 }),
    mine(post, "Register", "/auth/register", {
      token: null,
      about:
        "A new user, whom you are from then on: keeps `my_token` and `my_user_id`. They have no wallet, so send *Open a wallet* next, with `IDR` or another currency in its body. *Log in* is still who the environment names.",
      headers: onceKey,
      body: { name: "Citra", email: "citra-{{$guid}}@example.com", phone: "081200000004", password: "correct horse" },
      status: 201,
      shape: session,
      test() {
        if (pm.response.code === 201) {
          const { token, user } = pm.response.json();
          pm.environment.set("my_token", token);
          pm.environment.set("my_user_id", user.id);
        }
      },
    }),
  ],
  { token: "my_token" },
);

// Every failure of the contract that a client can cause through the gateway, with its exact sentence, and at the end the proof
// that none of them changed anything.
//
// Not here, because a client cannot cause them: an expired token, a service that is away (503), one that is late (504).

import { folder, get, number, post, put, remove } from "./request.mjs";
import { toBudi, toMerchant, twoPeople } from "./people.mjs";

const UNKNOWN_ID = 9_007_199_254_740_991;
/** What is no id of anything: the gateway's clients are told that there is no such thing. */
const BAD_IDS = ["0", "-1", "abc", "9223372036854775808"];
/** As JSON, since an object could not say some of them. */
const BAD_AMOUNTS = ["0", "-1", "1.5", '"10"', "1e3", "9007199254740992", "9223372036854775808", "true", "[]"];

const register = (name, field, options) =>
  post(name, "/auth/register", {
    token: null,
    body: { name: "Ani", email: "nobody@example.com", phone: "081200000003", password: "correct horse", ...field },
    status: 400,
    ...options,
  });

const users = folder("Users", "Registering, logging in, and other people's accounts.", [
  register("Register without a phone", { phone: undefined }, { error: "All fields required", code: "missing_fields" }),
  register("Register with an empty name", { name: "" }, { error: "All fields required", code: "missing_fields" }),
  register("Register without a body", undefined, { body: undefined, error: "All fields required" }),
  register("Register the same e-mail again, in capitals", { email: "{{email_in_capitals}}" }, {
    about: "E-mails are compared without regard to case.",
    before() {
      pm.environment.set("email_in_capitals", pm.environment.get("email").toUpperCase());
    },
    error: "Email already registered",
    code: "email_taken",
  }),
  register("Register with a name of 300 characters", { name: "a".repeat(300) }, { error: "Invalid field", code: "invalid_field" }),
  register("Register with a control character in the name", { name: "An\u0007i" }, { error: "Invalid field", code: "invalid_field" }),
  register("Register with what is no e-mail", { email: "nobody" }, { error: "Invalid field", code: "invalid_field" }),
  register("Register with a short password", { password: "horse" }, { error: "Invalid field", code: "invalid_field" }),
  post("Log in without a password", "/auth/login", {
    token: null,
    body: { email: "{{email}}" },
    status: 400,
    error: "Email and password required",
    code: "missing_fields",
  }),
  post("Log in with a wrong password", "/auth/login", {
    token: null,
    body: { email: "{{email}}", password: "wrong horse" },
    status: 401,
    error: "Invalid credentials",
    code: "invalid_credentials",
  }),
  post("Log in as nobody", "/auth/login", {
    token: null,
    about: "The same answer: who is registered is nobody's business.",
    body: { email: "nobody@example.com", password: "correct horse" },
    status: 401,
    error: "Invalid credentials",
    code: "invalid_credentials",
  }),
  get("Show an unknown user", `/users/${UNKNOWN_ID}`, { status: 404, error: "User not found", code: "user_not_found" }),
  ...BAD_IDS.map((id) => get(`Show the user ${id}`, `/users/${id}`, { status: 404, error: "User not found" })),
  put("Change somebody else", "/users/{{other_user_id}}", {
    body: { name: "Eve" },
    status: 403,
    error: "Unauthorized to update this user",
    code: "not_owner",
  }),
  put("Change an unknown user", `/users/${UNKNOWN_ID}`, { body: { name: "Eve" }, status: 404, error: "User not found" }),
  register("Register with one of the commonest passwords", { password: "iloveyou" }, { error: "Invalid field", code: "weak_password" }),
  register("Register with the address as the password", { password: "nobody@example.com" }, { error: "Invalid field", code: "weak_password" }),
  put("Change the password without the right old one", "/users/{{user_id}}/password", {
    body: { old_password: "wrong horse", new_password: "a better horse" },
    status: 403,
    error: "Wrong password",
    code: "wrong_password",
  }),
  put("Change the password to one of the commonest", "/users/{{user_id}}/password", {
    body: { old_password: "correct horse", new_password: "12345678" },
    status: 400,
    error: "Invalid field",
    code: "weak_password",
  }),
  put("Change somebody else's password", "/users/{{other_user_id}}/password", {
    body: { old_password: "battery staple", new_password: "a better horse" },
    status: 403,
    error: "Unauthorized to update this user",
    code: "not_owner",
  }),
  get("Look nobody up", "/users/lookup?email=nobody@example.com", { status: 404, error: "User not found", code: "user_not_found" }),
  get("Look up neither address nor number", "/users/lookup", { status: 400, error: "Invalid query", code: "invalid_query" }),
  get("Search without being an administrator", "/users?q=budi", { status: 403, error: "Unauthorized", code: "admins_only" }),
  get("Read the audit log without being an administrator", "/admin/audit", { status: 403, error: "Unauthorized", code: "admins_only" }),
  put("Suspend somebody without being an administrator", "/users/{{other_user_id}}/status", {
    body: { status: "suspended", reason: "I do not like him" },
    status: 403,
    error: "Unauthorized",
    code: "admins_only",
  }),
  get("See somebody else's sessions", "/users/{{other_user_id}}/sessions", { status: 403, error: "Unauthorized", code: "not_owner" }),
  remove("End somebody else's sessions", "/users/{{other_user_id}}/sessions", { status: 403, error: "Unauthorized", code: "not_owner" }),
  remove("End a session that is not there", "/users/{{user_id}}/sessions/nothing", {
    status: 404,
    error: "Session not found",
    code: "session_not_found",
  }),
  remove("Delete somebody else", "/users/{{other_user_id}}", {
    status: 403,
    error: "Unauthorized to delete this user",
    code: "not_owner",
  }),
  remove("Delete an unknown user", `/users/${UNKNOWN_ID}`, { status: 404, error: "User not found" }),
]);

const tokens = folder(
  "Tokens",
  "Each service verifies by itself, so each is asked.",
  ["/users/verify", "/wallets", "/payments", "/transactions"].flatMap((path) => [
    get(`${path} without a token`, path, { token: null, status: 401, error: "Token is missing", code: "token_missing" }),
    get(`${path} with a broken token`, path, {
      token: "broken_token",
      about: "The token of the caller, with one character of its signature changed.",
      before() {
        const token = pm.environment.get("token");
        const at = token.length - 10;
        const changed = token[at] === "A" ? "B" : "A";
        pm.environment.set("broken_token", token.slice(0, at) + changed + token.slice(at + 1));
      },
      status: 401,
      error: "Invalid token",
      code: "token_invalid",
    }),
    get(`${path} with what is no token`, path, {
      token: null,
      headers: { Authorization: "Bearer nonsense" },
      status: 401,
      error: "Invalid token",
    }),
  ]),
);

const wallets = folder("Wallets", "Wallets that are not there, are somebody else's, or are there already.", [
  post("Open a second wallet of the same currency", "/wallets", {
    body: { currency: "IDR" },
    status: 400,
    error: "User already has a wallet",
    code: "wallet_exists",
  }),
  post("Open a wallet of an unknown currency", "/wallets", {
    body: { currency: "XQZ" },
    status: 400,
    error: "Invalid currency",
    code: "invalid_currency",
  }),
  post("Open a wallet of gold", "/wallets", {
    body: { currency: "XAU" },
    status: 400,
    error: "Invalid currency",
    code: "currency_not_offered",
  }),
  get("Show an unknown wallet", `/wallets/${UNKNOWN_ID}`, { status: 404, error: "Wallet not found", code: "wallet_not_found" }),
  ...BAD_IDS.map((id) => get(`Show the wallet ${id}`, `/wallets/${id}`, { status: 404, error: "Wallet not found" })),
  get("Show somebody else's wallet", "/wallets/{{other_wallet_id}}", { status: 403, error: "Unauthorized", code: "not_owner" }),
  get("The balance of an unknown wallet", `/wallets/${UNKNOWN_ID}/balance`, { status: 404, error: "Wallet not found" }),
  get("The balance of somebody else's wallet", "/wallets/{{other_wallet_id}}/balance", { status: 403, error: "Unauthorized" }),
  post("Top up an unknown wallet", `/wallets/${UNKNOWN_ID}/topup`, { body: { amount: 1 }, status: 404, error: "Wallet not found" }),
  post("Top up somebody else's wallet", "/wallets/{{other_wallet_id}}/topup", { body: { amount: 1 }, status: 403, error: "Unauthorized" }),
  post("Top up more than one movement moves", "/wallets/{{wallet_id}}/topup", {
    body: { amount: UNKNOWN_ID },
    status: 400,
    error: "Invalid amount",
    code: "limit_exceeded",
  }),
]);

const amounts = folder("Amounts", "A whole number from 1 to 2^53 - 1; nothing is rounded, and nothing wraps.", [
  ...[...BAD_AMOUNTS, "null"].map((amount) =>
    post(`Top up ${amount}`, "/wallets/{{wallet_id}}/topup", {
      body: `{"amount": ${amount}}`,
      status: 400,
      error: "Invalid amount",
      code: "invalid_amount",
    }),
  ),
  post("Top up nothing", "/wallets/{{wallet_id}}/topup", { body: {}, status: 400, error: "Invalid amount" }),
  ...BAD_AMOUNTS.map((amount) =>
    post(`Pay ${amount}`, "/payments/pay", {
      body: `{"wallet_id": {{wallet_id}}, "merchant": "Tokopedia", "amount": ${amount}}`,
      status: 400,
      error: "Invalid amount",
      code: "invalid_amount",
    }),
  ),
  ...BAD_AMOUNTS.map((amount) =>
    post(`Send ${amount}`, "/payments/transfer", {
      body: `{"from_wallet_id": {{wallet_id}}, "to_user_id": {{other_user_id}}, "amount": ${amount}}`,
      status: 400,
      error: "Invalid amount",
      code: "invalid_amount",
    }),
  ),
]);

const payments = folder("Payments", "What cannot be paid or sent, and to whom.", [
  ...["wallet_id", "merchant", "amount"].map((field) =>
    post(`Pay without ${field}`, "/payments/pay", {
      body: { ...toMerchant("Tokopedia", 1), [field]: undefined },
      status: 400,
      error: "Missing required fields",
      code: "missing_fields",
    }),
  ),
  post("Pay from an unknown wallet", "/payments/pay", {
    body: { ...toMerchant("Tokopedia", 1), wallet_id: UNKNOWN_ID },
    status: 400,
    error: "Invalid wallet",
    code: "wallet_not_found",
  }),
  post("Pay from somebody else's wallet", "/payments/pay", {
    body: { ...toMerchant("Tokopedia", 1), wallet_id: number("other_wallet_id") },
    status: 400,
    error: "Invalid wallet",
    code: "not_owner",
  }),
  post("Pay more than there is", "/payments/pay", {
    body: toMerchant("Tokopedia", 1_001),
    status: 400,
    error: "Insufficient balance",
    code: "insufficient_balance",
  }),
  ...["from_wallet_id", "to_user_id", "amount"].map((field) =>
    post(`Send without ${field}`, "/payments/transfer", {
      body: { ...toBudi(1), [field]: undefined },
      status: 400,
      error: "Missing required fields",
      code: "missing_fields",
    }),
  ),
  post("Send from an unknown wallet", "/payments/transfer", {
    body: { ...toBudi(1), from_wallet_id: UNKNOWN_ID },
    status: 400,
    error: "Invalid source wallet",
    code: "wallet_not_found",
  }),
  post("Send from somebody else's wallet", "/payments/transfer", {
    body: { ...toBudi(1), from_wallet_id: number("other_wallet_id") },
    status: 400,
    error: "Invalid source wallet",
    code: "not_owner",
  }),
  post("Send to oneself", "/payments/transfer", {
    body: { ...toBudi(1), to_user_id: number("user_id") },
    status: 400,
    error: "Invalid source wallet",
    code: "same_wallet",
  }),
  post("Send to nobody", "/payments/transfer", {
    body: { ...toBudi(1), to_user_id: UNKNOWN_ID },
    status: 404,
    error: "Destination user not found",
    code: "destination_not_found",
  }),
  post("Send more than there is", "/payments/transfer", {
    body: toBudi(1_001),
    status: 400,
    error: "Insufficient balance",
    code: "insufficient_balance",
  }),
  get("Show an unknown payment", `/payments/${UNKNOWN_ID}`, { status: 404, error: "Payment not found", code: "payment_not_found" }),
  ...BAD_IDS.map((id) => get(`Show the payment ${id}`, `/payments/${id}`, { status: 404, error: "Payment not found" })),
  post("Budi gets something to pay with", "/wallets/{{other_wallet_id}}/topup", {
    token: "other_token",
    body: { amount: 10 },
    status: 200,
  }),
  post("Budi pays", "/payments/pay", {
    token: "other_token",
    body: { wallet_id: number("other_wallet_id"), merchant: "Gojek", amount: 10 },
    status: 201,
    test() {
      pm.environment.set("other_payment_id", pm.response.json().payment.id);
    },
  }),
  get("Show somebody else's payment", "/payments/{{other_payment_id}}", { status: 403, error: "Unauthorized", code: "not_owner" }),
]);

const transactions = folder("Transactions", "History that is not there, or is somebody else's.", [
  get("Show an unknown transaction", `/transactions/${UNKNOWN_ID}`, {
    status: 404,
    error: "Transaction not found",
    code: "transaction_not_found",
  }),
  ...BAD_IDS.map((id) => get(`Show the transaction ${id}`, `/transactions/${id}`, { status: 404, error: "Transaction not found" })),
  get("Find one of somebody else's", "/transactions?limit=1", {
    token: "other_token",
    status: 200,
    test() {
      pm.environment.set("other_transaction_id", pm.response.json().transactions[0].id);
    },
  }),
  get("Show somebody else's transaction", "/transactions/{{other_transaction_id}}", {
    status: 403,
    error: "Unauthorized",
    code: "not_owner",
  }),
  get("The history of somebody else's wallet", "/transactions/wallet/{{other_wallet_id}}", {
    status: 403,
    error: "Invalid wallet",
    code: "invalid_wallet",
  }),
  get("The history of an unknown wallet", `/transactions/wallet/${UNKNOWN_ID}`, { status: 403, error: "Invalid wallet" }),
  ...["limit=0", "limit=201", "limit=ten", "before=-1"].map((query) =>
    get(`A page with ${query}`, `/transactions?${query}`, { status: 400, error: "Invalid query", code: "invalid_query" }),
  ),
]);

const services = folder("Not for clients", "What services do for each other is not behind the gateway.", [
  post("Deduct from a wallet", "/wallets/{{wallet_id}}/deduct", { body: { amount: 1 }, status: 404, error: "Endpoint not found" }),
  post("Record a transaction", "/transactions", {
    about: "The gateway has the path for reading only: a service records at the transaction service itself.",
    body: { wallet_id: number("wallet_id"), type: "topup", amount: 1, description: "Out of thin air" },
    status: 405,
    error: "Method not allowed",
    code: "method_not_allowed",
  }),
  get("Ask what services ask", "/internal/sessions?after=0", { status: 404, error: "Endpoint not found" }),
  get("A path that is none", "/nothing/here", { status: 404, error: "Endpoint not found", code: "endpoint_not_found" }),
]);

const requests = folder("Requests that are none", "What is wrong with the request itself, not with what it asks for.", [
  post("A body that is no JSON", "/payments/pay", { body: '{"wallet_id": ', status: 400, error: "Invalid request body", code: "invalid_body" }),
  post("A body that is a list", "/payments/pay", { body: "[]", status: 400, error: "Invalid request body", code: "invalid_body" }),
  post("A body that is too deep", "/payments/pay", {
    body: `{"wallet_id": ${"[".repeat(500)}${"]".repeat(500)}}`,
    status: 400,
    error: "Invalid request body",
    code: "invalid_body",
  }),
  post("A field that is unknown, on a route that the original did not have", "/auth/logout", {
    body: { everywhere: true },
    status: 400,
    error: "Invalid request body",
    code: "unknown_field",
  }),
  post("A body that is too large", "/payments/pay", {
    about: "The limit is 64 KiB.",
    before() {
      pm.variables.set("long_text", "a".repeat(70_000));
    },
    body: toMerchant("{{long_text}}", 1),
    status: 413,
    error: "Request body too large",
    code: "body_too_large",
  }),
  post("A body of another type", "/payments/pay", {
    headers: { "Content-Type": "text/plain" },
    body: '{"wallet_id": {{wallet_id}}, "merchant": "Tokopedia", "amount": 1}',
    status: 415,
    error: "Unsupported media type",
    code: "unsupported_media_type",
  }),
  put("A method that is wrong", "/wallets", { body: {}, status: 405, error: "Method not allowed", code: "method_not_allowed" }),
  post("A key that is too long", "/wallets/{{wallet_id}}/topup", {
    headers: { "Idempotency-Key": "k".repeat(256) },
    body: { amount: 1 },
    status: 400,
    error: "Invalid idempotency key",
    code: "invalid_idempotency_key",
  }),
  post("A key for Budi's next request", "/wallets/{{other_wallet_id}}/topup", {
    token: "other_token",
    headers: { "Idempotency-Key": "{{used_key}}" },
    before() {
      pm.environment.set("used_key", pm.variables.replaceIn("{{$guid}}"));
    },
    body: { amount: 5 },
    status: 200,
  }),
  post("The same key for another request", "/wallets/{{other_wallet_id}}/topup", {
    token: "other_token",
    headers: { "Idempotency-Key": "{{used_key}}" },
    body: { amount: 6 },
    status: 422,
    error: "Idempotency key reused",
    code: "idempotency_key_reused",
  }),
]);

const unchanged = folder("Nothing has changed", "None of the above moved money, or left a trace.", [
  get("Ani's balance", "/wallets/{{wallet_id}}/balance", {
    status: 200,
    test() {
      pm.test("it is what she put in", () => pm.expect(pm.response.json().balance).to.eql(1_000));
    },
  }),
  get("Ani's history", "/transactions", {
    status: 200,
    test() {
      pm.test("there is her one top-up", () => {
        const rows = pm.response.json().transactions.map((t) => [t.type, t.amount]);
        pm.expect(rows).to.deep.eql([["topup", 1_000]]);
      });
    },
  }),
  get("Ani's payments", "/payments", {
    status: 200,
    test() {
      pm.test("there are none", () => pm.expect(pm.response.json().payments).to.have.lengthOf(0));
    },
  }),
  get("Ani's wallets", "/wallets", {
    status: 200,
    test() {
      pm.test("there is the one", () => pm.expect(pm.response.json().wallets).to.have.lengthOf(1));
    },
  }),
  get("Budi's name", "/users/{{other_user_id}}", {
    status: 200,
    test() {
      pm.test("it is his own", () => pm.expect(pm.response.json().user.name).to.eql("Budi"));
    },
  }),
]);

export const failures = folder(
  "Failures",
  "Everything that a client can do wrong, with the sentence that it is told. Run the folder from its first request.",
  [
    folder("Two people", "Whom the failures happen to.", twoPeople(1_000)),
    users,
    tokens,
    wallets,
    amounts,
    payments,
    transactions,
    services,
    requests,
    unchanged,
  ],
);

// Every public endpoint once, with the shape of its answer. The last request holds the folder against the API document, so an
// endpoint that is added there without a request here makes the run fail.

import { folder, get, number, post, put, remove } from "./request.mjs";
import { toBudi, toMerchant, twoPeople } from "./people.mjs";
import {
  balance,
  currencyRow,
  hold,
  jwks,
  limits,
  list,
  object,
  openSession,
  recipient,
  auditEntry,
  paid,
  pastBalance,
  payment,
  receipt,
  refund,
  requests,
  sent,
  session,
  stats,
  toppedUp,
  transaction,
  user,
  wallet,
} from "./shapes.mjs";

const users = folder("Users", "Accounts of people, and their sessions.", [
  post("Register", "/auth/register", {
    token: null,
    about: "Answers with a token, so no log-in has to follow. Registering opens no wallet.",
    headers: { "Idempotency-Key": "{{register_key}}" },
    before() {
      pm.environment.set("register_key", pm.variables.replaceIn("{{$guid}}"));
      pm.environment.set("third_email", `citra-${pm.variables.replaceIn("{{$guid}}")}@example.com`);
    },
    body: { name: "Citra", email: "{{third_email}}", phone: "081200000004", password: "correct horse" },
    status: 201,
    shape: session,
    test() {
      const { token, user } = pm.response.json();
      pm.environment.set("third_token", token);
      pm.environment.set("third_user_id", user.id);
      pm.test("a user sees their own in full", () => {
        pm.expect(user.email).to.eql(pm.environment.get("third_email"));
        pm.expect(user.phone).to.eql("081200000004");
      });
      pm.test("the password does not come back", () => {
        pm.expect(pm.response.text()).to.not.include("correct horse");
      });
    },
  }),
  get("A new user has no wallet", "/wallets", {
    token: "third_token",
    status: 200,
    test() {
      pm.test("the list is empty", () => pm.expect(pm.response.json().wallets).to.deep.eql([]));
    },
  }),
  post("Log in", "/auth/login", {
    token: null,
    about: "The token is good for 24 hours. Every request after this goes out with it.",
    body: { email: "{{email}}", password: "correct horse" },
    status: 200,
    shape: session,
    test() {
      const { token, user } = pm.response.json();
      pm.environment.set("token", token);
      pm.environment.set("user_id", user.id);
    },
  }),
  get("The user of the token", "/users/verify", {
    status: 200,
    shape: object({ user }),
    test() {
      pm.test("it is who logged in", () => {
        pm.expect(pm.response.json().user.id).to.eql(Number(pm.environment.get("user_id")));
      });
    },
  }),
  get("List users", "/users", {
    about: "Newest first. Of others, e-mail and phone are masked.",
    status: 200,
    shape: object({ users: list(user) }),
    test() {
      pm.test("nobody's e-mail but one's own is whole", () => {
        const own = Number(pm.environment.get("user_id"));
        for (const user of pm.response.json().users) {
          if (user.id === own) pm.expect(user.email).to.eql(pm.environment.get("email"));
          else pm.expect(user.email).to.include("***");
        }
      });
    },
  }),
  get("Show a user", "/users/{{other_user_id}}", {
    status: 200,
    shape: object({ user }),
    test() {
      const { user } = pm.response.json();
      pm.test("of others, e-mail and phone are masked", () => {
        pm.expect(user.name).to.eql("Budi");
        pm.expect(user.email).to.eql("b***@example.com");
        pm.expect(user.phone).to.eql("********0002");
      });
    },
  }),
  get("Look a recipient up", "/users/lookup?email={{other_email}}", {
    about: "By the whole address, or by `phone`, the whole number. The answer shows just enough to tell a mistake.",
    status: 200,
    shape: object({ user: recipient }),
    test() {
      pm.test("it is Budi, masked", () => {
        const { user } = pm.response.json();
        pm.expect(user).to.deep.eql({ id: Number(pm.environment.get("other_user_id")), name: "B***", email: "b***@example.com" });
      });
    },
  }),
  put("Change oneself", "/users/{{user_id}}", {
    about: "Any of `name` and `phone`; what is left out stays.",
    body: { phone: "081200000009" },
    status: 200,
    shape: object({ user }),
    test() {
      const { user } = pm.response.json();
      pm.test("what was named has changed, the rest has not", () => {
        pm.expect(user.phone).to.eql("081200000009");
        pm.expect(user.name).to.eql("Ani");
      });
    },
  }),
  post("Log in on a second device", "/auth/login", {
    token: null,
    body: { email: "{{email}}", password: "correct horse" },
    status: 200,
    shape: session,
    test() {
      pm.environment.set("device_token", pm.response.json().token);
    },
  }),
  get("List one's sessions", "/users/{{user_id}}/sessions", {
    about: "Newest first. `current` marks the session of the token.",
    status: 200,
    shape: object({ sessions: list(openSession) }),
    test() {
      const { sessions } = pm.response.json();
      pm.test("one is the caller's, and others go on beside it", () => {
        pm.expect(sessions.filter((session) => session.current)).to.have.lengthOf(1);
        pm.expect(sessions.length).to.be.at.least(3);
      });
      const other = sessions[0];
      pm.test("the newest is the second device's", () => pm.expect(other.current).to.eql(false));
      pm.environment.set("session_id", other.id);
    },
  }),
  remove("End one session", "/users/{{user_id}}/sessions/{{session_id}}", { status: 204 }),
  get("The second device is out", "/users/verify", { token: "device_token", status: 401, error: "Invalid token" }),
  put("Change the password", "/users/{{user_id}}/password", {
    about: "Asks for the old one, and ends every other session of the user.",
    body: { old_password: "correct horse", new_password: "correct horse, wrong stable" },
    status: 204,
  }),
  get("Only the caller's session goes on", "/users/{{user_id}}/sessions", {
    status: 200,
    test() {
      pm.test("it is the caller's", () => {
        pm.expect(pm.response.json().sessions.map((session) => session.current)).to.deep.eql([true]);
      });
    },
  }),
  put("Change it back", "/users/{{user_id}}/password", {
    body: { old_password: "correct horse, wrong stable", new_password: "correct horse" },
    status: 204,
  }),
  remove("End all other sessions", "/users/{{user_id}}/sessions?except=current", {
    about: "Without `except` the session of the token ends, too.",
    status: 204,
  }),
  get("The keys that tokens are signed with", "/.well-known/jwks.json", { token: null, status: 200, shape: jwks }),
]);

const wallets = folder("Wallets", "What a user has.", [
  get("List the currencies", "/currencies", {
    token: null,
    about: "Those that wallets can be opened in, with the digits of every amount. Needs no token.",
    status: 200,
    shape: object({ currencies: list(currencyRow) }),
    test() {
      const { currencies } = pm.response.json();
      pm.test("rupiah have no digits after the point here", () => {
        pm.expect(currencies.find((row) => row.code === "IDR").exponent).to.eql(0);
      });
      pm.test("nobody opens a wallet of gold by accident", () => {
        pm.expect(currencies.map((row) => row.code)).to.not.include.members(["XAU"]);
      });
    },
  }),
  post("Open a wallet", "/wallets", {
    about: "One for each currency; IDR unless the body names another.",
    body: { currency: "USD" },
    status: 201,
    shape: object({ wallet }),
    test() {
      pm.test("it is empty", () => {
        const { wallet } = pm.response.json();
        pm.expect([wallet.balance, wallet.currency, wallet.status]).to.deep.eql([0, "USD", "active"]);
      });
    },
  }),
  get("List wallets", "/wallets", {
    status: 200,
    shape: object({ wallets: list(wallet) }),
    test() {
      pm.test("they are the caller's", () => {
        const { wallets } = pm.response.json();
        pm.expect(wallets.map((wallet) => wallet.currency)).to.have.members(["IDR", "USD"]);
        for (const wallet of wallets) pm.expect(wallet.user_id).to.eql(Number(pm.environment.get("user_id")));
      });
    },
  }),
  get("Show a wallet", "/wallets/{{wallet_id}}", {
    status: 200,
    shape: object({ wallet }),
  }),
  get("Its balance", "/wallets/{{wallet_id}}/balance", {
    status: 200,
    shape: balance,
  }),
  get("Its balance at a moment of the past", "/wallets/{{wallet_id}}/balance?at=2020-01-01T00:00:00Z", {
    about: "What the wallet held then; 0 before its first movement.",
    status: 200,
    shape: pastBalance,
    test() {
      pm.test("there was nothing yet", () => pm.expect(pm.response.json().balance).to.eql(0));
    },
  }),
  get("Its limits", "/wallets/{{wallet_id}}/limits", {
    about: "What the ledger would refuse, before it does.",
    status: 200,
    shape: limits,
    test() {
      pm.test("no movement is larger than this", () => {
        const movement = pm.response.json().limits.find((limit) => limit.limit === "movement");
        pm.expect([movement.window, movement.measure]).to.deep.eql(["transaction", "amount"]);
        pm.expect(movement.max).to.be.above(0);
      });
    },
  }),
  post("Top up", "/wallets/{{wallet_id}}/topup", {
    about: "Amounts are whole numbers in the smallest unit that the currency uses here; IDR counts whole rupiah.",
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: { amount: 5_000 },
    status: 200,
    shape: toppedUp,
    test() {
      pm.test("the answer has the new balance", () => pm.expect(pm.response.json().wallet.balance).to.eql(105_000));
    },
  }),
]);

const payments = folder("Payments", "Money that goes to merchants and to other users.", [
  post("Pay a merchant", "/payments/pay", {
    about: "With an `Idempotency-Key` a repeat is safe: the money moves once, and the first answer comes again.",
    headers: { "Idempotency-Key": "{{pay_key}}" },
    before() {
      pm.environment.set("pay_key", pm.variables.replaceIn("{{$guid}}"));
    },
    body: toMerchant("Tokopedia", 50_000),
    status: 201,
    shape: paid,
    test() {
      pm.environment.set("payment_id", pm.response.json().payment.id);
    },
  }),
  get("What became of it, by its key", "/requests/{{pay_key}}", {
    about: "For a client whose answer was lost: tells whether the request was carried out, without sending it again.",
    status: 200,
    shape: requests,
    test() {
      pm.test("it is the payment", () => {
        const [request] = pm.response.json().requests;
        pm.expect(request.call).to.eql("POST /payments/pay");
        pm.expect(request.payment_id).to.eql(Number(pm.environment.get("payment_id")));
      });
    },
  }),
  post("Send to another user", "/payments/transfer", {
    about: "Into their wallet of the same currency. Both change together or not at all.",
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: toBudi(25_000),
    status: 201,
    shape: sent,
  }),
  get("List payments", "/payments", {
    about: "The caller's own, newest first.",
    status: 200,
    shape: object({ payments: list(payment) }),
    test() {
      pm.test("what was just paid is there", () => {
        pm.expect(pm.response.json().payments[0].id).to.eql(Number(pm.environment.get("payment_id")));
      });
    },
  }),
  get("Show a payment", "/payments/{{payment_id}}", {
    status: 200,
    shape: object({ payment }),
    test() {
      pm.test("it is what was paid", () => {
        const { payment } = pm.response.json();
        pm.expect([payment.merchant, payment.amount]).to.deep.eql(["Tokopedia", 50_000]);
      });
    },
  }),
]);

const holds = folder("Holds and refunds", "Money that is reserved for a merchant, and money that comes back.", [
  get("The wallet before", "/wallets/{{wallet_id}}", {
    status: 200,
    shape: object({ wallet }),
    test() {
      pm.environment.set("balance_before", pm.response.json().wallet.balance);
    },
  }),
  post("Authorize", "/payments/authorize", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: { ...toMerchant("Hotel Indonesia", 20_000), expires_in: 3_600 },
    status: 201,
    shape: object({ hold }),
    test() {
      const { hold } = pm.response.json();
      pm.environment.set("hold_id", hold.id);
      pm.test("all of it is reserved", () => pm.expect([hold.state, hold.remaining]).to.deep.eql(["authorized", 20_000]));
    },
  }),
  get("The wallet while it is held", "/wallets/{{wallet_id}}", {
    status: 200,
    shape: object({ wallet }),
    test() {
      const { wallet } = pm.response.json();
      pm.test("it cannot be spent, and is still the owner's", () => {
        pm.expect(wallet.balance).to.eql(Number(pm.environment.get("balance_before")) - 20_000);
        pm.expect(wallet.held).to.eql(20_000);
        pm.expect(wallet.total).to.eql(wallet.balance + wallet.held);
      });
    },
  }),
  get("List open holds", "/holds?state=open", {
    status: 200,
    shape: object({ holds: list(hold) }),
    test() {
      pm.test("it is among them", () => {
        pm.expect(pm.response.json().holds.map((hold) => hold.id)).to.include(Number(pm.environment.get("hold_id")));
      });
    },
  }),
  post("Capture more than is held", "/holds/{{hold_id}}/capture", {
    about: "Is refused, and says how much is left.",
    body: { amount: 20_001 },
    status: 400,
    error: "Amount exceeds the hold",
    code: "capture_exceeds_hold",
  }),
  post("Capture a part", "/holds/{{hold_id}}/capture", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: { amount: 5_000, final: false },
    status: 201,
    shape: object({ capture: payment, hold }),
    test() {
      pm.test("the rest stays reserved", () => pm.expect(pm.response.json().hold.remaining).to.eql(15_000));
    },
  }),
  post("Capture the last part", "/holds/{{hold_id}}/capture", {
    about: "What it leaves over goes back at once.",
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: { amount: 7_000 },
    status: 201,
    shape: object({ capture: payment, hold }),
    test() {
      const { capture, hold } = pm.response.json();
      pm.environment.set("capture_id", capture.id);
      pm.test("the rest is released", () => pm.expect([hold.state, hold.captured, hold.released]).to.deep.eql(["captured", 12_000, 8_000]));
    },
  }),
  post("Void it too late", "/holds/{{hold_id}}/void", {
    status: 409,
    error: "Hold already captured",
    code: "hold_captured",
  }),
  get("Show the hold", "/holds/{{hold_id}}", {
    status: 200,
    shape: object({ hold, captures: list(payment) }),
    test() {
      pm.test("both captures are there", () => {
        pm.expect(pm.response.json().captures.map((capture) => capture.amount)).to.deep.eql([5_000, 7_000]);
      });
    },
  }),
  post("Refund a part", "/payments/{{capture_id}}/refunds", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: { amount: 3_000, reason: "requested_by_customer" },
    status: 201,
    shape: object({ refund, payment }),
    test() {
      const { payment } = pm.response.json();
      pm.test("the payment says so", () => {
        pm.expect([payment.status, payment.refunded, payment.refundable]).to.deep.eql(["partially_refunded", 3_000, 4_000]);
      });
    },
  }),
  post("Refund more than is left", "/payments/{{capture_id}}/refunds", {
    about: "Is refused, and says how much is left.",
    body: { amount: 4_001 },
    status: 400,
    error: "Amount exceeds the payment",
    code: "refund_exceeds_payment",
  }),
  post("Cancel what is left", "/payments/{{capture_id}}/cancel", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    status: 200,
    shape: object({ payment, refunds: list(refund) }),
    test() {
      pm.test("nothing is left", () => pm.expect(pm.response.json().payment.status).to.eql("refunded"));
    },
  }),
  post("Refund it once more", "/payments/{{capture_id}}/refunds", {
    status: 409,
    error: "Payment already refunded",
    code: "payment_already_refunded",
  }),
  get("List refunds", "/payments/{{capture_id}}/refunds", {
    status: 200,
    shape: object({ refunds: list(refund) }),
    test() {
      pm.test("both are there", () => pm.expect(pm.response.json().refunds.map((refund) => refund.amount)).to.deep.eql([3_000, 4_000]));
    },
  }),
  post("Authorize again", "/payments/authorize", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: toMerchant("Hotel Indonesia", 9_000),
    status: 201,
    shape: object({ hold }),
    test() {
      pm.environment.set("hold_id", pm.response.json().hold.id);
    },
  }),
  post("Void", "/holds/{{hold_id}}/void", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    body: { reason: "Sold out" },
    status: 200,
    shape: object({ hold }),
    test() {
      pm.test("all of it is back", () => pm.expect([pm.response.json().hold.state, pm.response.json().hold.released]).to.deep.eql(["voided", 9_000]));
    },
  }),
  post("Authorize a third time", "/payments/authorize", {
    body: toMerchant("Hotel Indonesia", 4_000),
    status: 201,
    shape: object({ hold }),
    test() {
      pm.environment.set("hold_id", pm.response.json().hold.id);
    },
  }),
  post("Cancel a hold", "/holds/{{hold_id}}/cancel", {
    headers: { "Idempotency-Key": "{{$guid}}" },
    status: 200,
    shape: object({ hold, refunds: list(refund) }),
    test() {
      pm.test("it is voided", () => pm.expect(pm.response.json().hold.state).to.eql("voided"));
    },
  }),
  get("The wallet after", "/wallets/{{wallet_id}}", {
    status: 200,
    shape: object({ wallet }),
    test() {
      const { wallet } = pm.response.json();
      pm.test("only the capture that was not refunded is gone", () => {
        pm.expect([wallet.balance, wallet.held]).to.deep.eql([Number(pm.environment.get("balance_before")) - 5_000, 0]);
      });
    },
  }),
]);

const transactions = folder("Transactions", "What happened to the caller's wallets, and what it sums up to.", [
  get("List transactions", "/transactions", {
    about: "Newest first. Every top-up, payment and transfer is there as soon as it was answered.",
    status: 200,
    shape: object({ transactions: list(transaction) }),
    test() {
      const { transactions } = pm.response.json();
      pm.environment.set("transaction_id", transactions[0].id);
      pm.test("what was just done is there", () => {
        pm.expect(transactions.map((t) => t.type)).to.deep.eql(["transfer", "payment", "topup", "topup"]);
      });
    },
  }),
  get("A page of one", "/transactions?limit=1", {
    about: "`next` is what `before` is for the page after.",
    status: 200,
    shape: object({ transactions: list(transaction), next: { type: "integer" } }),
    test() {
      const { transactions, next } = pm.response.json();
      pm.environment.set("next_page", next);
      pm.test("it is the newest", () => {
        pm.expect(transactions.map((t) => t.id)).to.deep.eql([Number(pm.environment.get("transaction_id"))]);
      });
    },
  }),
  get("The page after", "/transactions?limit=1&before={{next_page}}", {
    status: 200,
    shape: object({ transactions: list(transaction) }),
    test() {
      pm.test("it goes on where the first ended", () => {
        pm.expect(pm.response.json().transactions.map((t) => t.type)).to.deep.eql(["payment"]);
      });
    },
  }),
  get("Show a transaction", "/transactions/{{transaction_id}}", {
    status: 200,
    shape: object({ transaction }),
    test() {
      pm.test("it is the transfer that was sent", () => {
        const { transaction } = pm.response.json();
        pm.expect([transaction.type, transaction.direction, transaction.amount]).to.deep.eql(["transfer", "out", 25_000]);
      });
    },
  }),
  get("Its receipt", "/transactions/{{transaction_id}}/receipt", {
    about: "Proves that the movement is in the ledger's chain of hashes; docs/RECEIPTS.md tells how it is checked.",
    status: 200,
    shape: object({ transaction, receipt }),
    test() {
      pm.test("it is about this transaction", () => {
        const { transaction, receipt } = pm.response.json();
        pm.expect(transaction.id).to.eql(Number(pm.environment.get("transaction_id")));
        pm.expect(receipt.entry).to.be.at.least(transaction.id / 2);
      });
    },
  }),
  get("Those of one wallet", "/transactions/wallet/{{wallet_id}}", {
    status: 200,
    shape: object({ transactions: list(transaction) }),
    test() {
      pm.test("all are the wallet's", () => {
        for (const transaction of pm.response.json().transactions) {
          pm.expect(transaction.wallet_id).to.eql(Number(pm.environment.get("wallet_id")));
        }
      });
    },
  }),
  get("Statistics", "/transactions/stats", {
    about: "`net_amount` is `total_topup - total_payment - total_transfer`.",
    status: 200,
    shape: stats,
    test() {
      pm.test("net_amount is what it says", () => {
        const stats = pm.response.json();
        pm.expect(stats.net_amount).to.eql(stats.total_topup - stats.total_payment - stats.total_transfer);
      });
    },
  }),
]);

const alias = folder("The prefix /api", "Every path exists without the version too, for clients that were made before there was one.", [
  get("The user of the token", "/users/verify", { prefix: "/api", status: 200, shape: object({ user }) }),
  get("List wallets", "/wallets", { prefix: "/api", status: 200, shape: object({ wallets: list(wallet) }) }),
  get("List payments", "/payments", { prefix: "/api", status: 200, shape: object({ payments: list(payment) }) }),
  get("List transactions", "/transactions", { prefix: "/api", status: 200, shape: object({ transactions: list(transaction) }) }),
]);

/** Skips the request where no administrator is known. */
function needsAdmin() {
  if (!pm.environment.get("admin_email")) pm.execution.skipRequest();
}

const status = (name, status, options) =>
  put(name, "/wallets/{{other_wallet_id}}/status", {
    token: "admin_token",
    before: needsAdmin,
    body: { status },
    status: 200,
    ...options,
  });

const administrators = folder(
  "For administrators",
  "Put the address and the password of an administrator (ADMIN_EMAIL, ADMIN_PASSWORD) into the environment's admin_email and admin_password. Where they are empty, what needs them is skipped.",
  [
    status("A user may not freeze a wallet", "frozen", {
      token: undefined,
      before: undefined,
      status: 403,
      error: "Unauthorized",
    }),
    post("Log in as the administrator", "/auth/login", {
      token: null,
      before: needsAdmin,
      body: { email: "{{admin_email}}", password: "{{admin_password}}" },
      status: 200,
      shape: session,
      test() {
        pm.environment.set("admin_token", pm.response.json().token);
      },
    }),
    get("The wallets of a user", "/admin/wallets?user_id={{other_user_id}}", {
      token: "admin_token",
      before: needsAdmin,
      status: 200,
      shape: object({ wallets: list(wallet) }),
      test() {
        pm.test("they are Budi's", () => {
          for (const wallet of pm.response.json().wallets) pm.expect(wallet.user_id).to.eql(Number(pm.environment.get("other_user_id")));
        });
      },
    }),
    status("Freeze Budi's wallet", "frozen", {
      about: "No money moves in or out until it is `active` again.",
      shape: object({ wallet }),
      test() {
        pm.test("it is frozen", () => pm.expect(pm.response.json().wallet.status).to.eql("frozen"));
      },
    }),
    post("Pay from a frozen wallet", "/payments/pay", {
      token: "other_token",
      before: needsAdmin,
      body: { wallet_id: number("other_wallet_id"), merchant: "Gojek", amount: 1 },
      status: 400,
      error: "Invalid wallet",
      code: "wallet_not_active",
    }),
    status("Make it active again", "active", {
      test() {
        pm.test("it is active, and holds what it held", () => {
          const { wallet } = pm.response.json();
          pm.expect([wallet.status, wallet.balance]).to.deep.eql(["active", 25_000]);
        });
      },
    }),
    post("Take a transfer back", "/admin/transactions/{{transaction_id}}/reverse", {
      token: "admin_token",
      before: needsAdmin,
      headers: { "Idempotency-Key": "{{$guid}}" },
      body: { reason: "Sent to the wrong person" },
      status: 201,
      test() {
        pm.test("it is a reversal of the transfer", () => {
          const reversed = pm.response.json();
          pm.expect([reversed.type, reversed.amount]).to.deep.eql(["transfer_reversal", 25_000]);
        });
      },
    }),
    post("Take it back once more", "/admin/transactions/{{transaction_id}}/reverse", {
      token: "admin_token",
      before: needsAdmin,
      body: { reason: "Sent to the wrong person" },
      status: 409,
      error: "Already reversed",
      code: "already_reversed",
    }),
    put("A user may not say who they are", "/wallets/{{other_wallet_id}}/tier", {
      body: { tier: "registered", reason: "Because" },
      status: 403,
      error: "Unauthorized",
    }),
    put("Say that Budi's identity was checked", "/wallets/{{other_wallet_id}}/tier", {
      token: "admin_token",
      before: needsAdmin,
      about: "Decides the wallet's limits. The ledger keeps who said so, and why.",
      body: { tier: "registered", reason: "Identity card checked" },
      status: 200,
      test() {
        pm.test("it is of this tier", () => pm.expect(pm.response.json().tier).to.eql("registered"));
      },
    }),
    get("Search for a user", "/users?q={{other_email}}&status=active", {
      token: "admin_token",
      before: needsAdmin,
      about: "An id, or how a name, an address or a number begins.",
      status: 200,
      shape: object({ users: list(user) }),
      test() {
        pm.test("it is found", () => {
          pm.expect(pm.response.json().users.map((user) => user.id)).to.deep.eql([Number(pm.environment.get("other_user_id"))]);
        });
      },
    }),
    put("Suspend Budi", "/users/{{other_user_id}}/status", {
      token: "admin_token",
      before: needsAdmin,
      about: "Budi cannot log in, and every session of his ends. His wallet stays as it is.",
      body: { status: "suspended", reason: "Reported as stolen" },
      status: 200,
      shape: object({ user }),
      test() {
        pm.test("he is suspended", () => pm.expect(pm.response.json().user.status).to.eql("suspended"));
      },
    }),
    post("Budi cannot log in", "/auth/login", {
      token: null,
      before: needsAdmin,
      body: { email: "{{other_email}}", password: "battery staple" },
      status: 403,
      error: "Account suspended",
      code: "user_suspended",
    }),
    put("Let Budi in again", "/users/{{other_user_id}}/status", {
      token: "admin_token",
      before: needsAdmin,
      body: { status: "active", reason: "The phone was found" },
      status: 200,
    }),
    post("Budi logs in", "/auth/login", {
      token: null,
      before: needsAdmin,
      body: { email: "{{other_email}}", password: "battery staple" },
      status: 200,
      test() {
        pm.environment.set("other_token", pm.response.json().token);
      },
    }),
    get("Read the audit log", "/admin/audit?object=user:{{other_user_id}}&limit=5", {
      token: "admin_token",
      before: needsAdmin,
      about: "Who did what, the newest first: log-ins, good and failed, and every act of an administrator.",
      status: 200,
      shape: object({ entries: list(auditEntry) }),
      test() {
        const { entries } = pm.response.json();
        pm.test("what was just done is there", () => {
          const acts = entries.map((entry) => `${entry.actor_role} ${entry.act} ${entry.result}`);
          pm.expect(acts.slice(0, 4)).to.deep.eql([
            "user log_in done",
            "admin activate_user done",
            "nobody log_in refused",
            "admin suspend_user done",
          ]);
        });
        pm.test("it says why", () => pm.expect(entries[3].reason).to.eql("Reported as stolen"));
      },
    }),
    get("Whoever froze the wallet is in it, too", "/admin/audit?object=wallet:{{other_wallet_id}}", {
      token: "admin_token",
      before: needsAdmin,
      status: 200,
      test() {
        pm.test("it was frozen, and made active again", () => {
          pm.expect(pm.response.json().entries.map((entry) => entry.act)).to.deep.eql(["activate_wallet", "freeze_wallet"]);
        });
      },
    }),
    get("An administrator sees users in full", "/users/{{other_user_id}}", {
      token: "admin_token",
      before: needsAdmin,
      status: 200,
      test() {
        pm.test("the e-mail is whole", () => {
          pm.expect(pm.response.json().user.email).to.eql(pm.environment.get("other_email"));
        });
      },
    }),
  ],
);

const goodbye = folder("Goodbye", "Tokens that end.", [
  post("Log in once more", "/auth/login", {
    token: null,
    body: { email: "{{email}}", password: "correct horse" },
    status: 200,
    test() {
      pm.environment.set("short_token", pm.response.json().token);
    },
  }),
  post("Log out", "/auth/logout", { token: "short_token", about: "Ends this session, and no other.", status: 204 }),
  get("The token has ended everywhere", "/wallets", {
    token: "short_token",
    about: "Within two seconds, which this request waits for.",
    before() {
      setTimeout(() => {}, 2000);
    },
    status: 401,
    error: "Invalid token",
  }),
  get("The other session goes on", "/wallets", { status: 200 }),
  remove("Delete oneself", "/users/{{third_user_id}}", {
    token: "third_token",
    about: "The wallets are closed; the money and its history stay.",
    status: 200,
    shape: object({ message: { type: "string" } }),
    test() {
      pm.test("it says so", () => pm.expect(pm.response.json().message).to.eql("User deleted successfully"));
    },
  }),
  get("A deleted user's token is refused", "/users/verify", {
    token: "third_token",
    status: 401,
    error: "Invalid token",
  }),
  get("A deleted user is not found", "/users/{{third_user_id}}", { status: 404, error: "User not found" }),
]);

const folders = [users, wallets, payments, transactions, holds, alias, administrators, goodbye];

/** `GET /users/{id}` and so on: what the folders above ask, with each variable as the document writes it. */
function asked() {
  const requests = folders.flatMap((folder) => folder.item).map((item) => item.request);
  const lines = requests.map(({ method, url }) => {
    const path = `/${url.path.join("/")}`.replace(/^\/api(\/v1)?/, "");
    return `${method} ${path.replaceAll(/\{\{\w+\}\}/g, "{}")}`;
  });
  return [...new Set(lines)].sort();
}

const complete = get("Nothing is missing", "/openapi.json", {
  prefix: "",
  token: null,
  about: "Every operation of the API document has a request in this folder, but the stream of events, which does not end.",
  status: 200,
});
complete.event.find((event) => event.listen === "test").script.exec.push(
  `const asked = ${JSON.stringify(asked(), null, 2)};`,
  "const documented = Object.entries(pm.response.json().paths)",
  "  .filter(([path]) => !/^(\\/api(\\/v1)?)?\\/(config|events|health|livez|readyz|metrics)$/.test(path))",
  "  .flatMap(([path, item]) =>",
  '    Object.keys(item).map((method) => [method, path.replace(/^\\/api(\\/v1)?/, "").replace(/\\{\\w+\\}/g, "{}")]),',
  "  )",
  "  .filter(([method]) => /^(get|post|put|patch|delete)$/.test(method))",
  "  .map(([method, path]) => `${method.toUpperCase()} ${path}`);",
  'pm.test("every documented operation is asked", () => {',
  "  pm.expect(documented.filter((operation) => !asked.includes(operation))).to.deep.eql([]);",
  '  pm.expect(documented, "the document has operations").to.not.be.empty;',
  "});",
);

export const endpoints = folder(
  "Each endpoint",
  "Every public endpoint once, in an order in which each finds what it needs. Run the folder from its first request.",
  [folder("Two people", "Who the requests are made by, and whom they meet.", twoPeople(100_000)), ...folders, complete],
);

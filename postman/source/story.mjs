// The story of the wallet in exact figures: two people, from registering to their histories.

import { folder, get, number, post } from "./request.mjs";
import { toBudi, toMerchant, twoPeople } from "./people.mjs";

export const story = folder(
  "Full story",
  "Ani tops up, pays a merchant and sends money to Budi; Budi pays, and sends some back. Run the folder from its first request; each run has two new people, so it can be repeated on the same data.",
  [
    ...twoPeople(1_000_000),
    post("Ani tops up again", "/wallets/{{wallet_id}}/topup", {
      body: { amount: 250_000 },
      status: 200,
      test() {
        pm.test("the answer has the new balance", () => {
          pm.expect(pm.response.json().wallet.balance).to.eql(1_250_000);
        });
      },
    }),
    post("Ani pays a merchant", "/payments/pay", {
      body: toMerchant("Tokopedia", 50_000),
      status: 201,
      test() {
        const { payment } = pm.response.json();
        pm.environment.set("payment_id", payment.id);
        pm.test("the payment is Ani's, and what she asked for", () => {
          pm.expect(payment.user_id).to.eql(Number(pm.environment.get("user_id")));
          pm.expect(payment.wallet_id).to.eql(Number(pm.environment.get("wallet_id")));
          pm.expect(payment.merchant).to.eql("Tokopedia");
          pm.expect(payment.amount).to.eql(50_000);
          pm.expect(payment.payment_method).to.eql("wallet");
        });
      },
    }),
    post("Ani sends money to Budi", "/payments/transfer", {
      about: "With an `Idempotency-Key`, so that the next request can repeat it without sending twice.",
      headers: { "Idempotency-Key": "{{transfer_key}}" },
      before() {
        pm.environment.set("transfer_key", pm.variables.replaceIn("{{$guid}}"));
      },
      body: toBudi(200_000),
      status: 201,
      test() {
        const body = pm.response.json();
        pm.environment.set("transfer_answer", pm.response.text());
        pm.test("both wallets are named", () => {
          pm.expect(body.from_wallet_id).to.eql(Number(pm.environment.get("wallet_id")));
          pm.expect(body.to_wallet_id).to.eql(Number(pm.environment.get("other_wallet_id")));
          pm.expect(body.amount).to.eql(200_000);
        });
        pm.test("it is not a repeat", () => pm.response.to.not.have.header("Idempotency-Replayed"));
      },
    }),
    post("The same again, with the same key", "/payments/transfer", {
      about: "The first answer comes again, byte for byte, and no money moves.",
      headers: { "Idempotency-Key": "{{transfer_key}}" },
      body: toBudi(200_000),
      status: 201,
      test() {
        pm.test("the answer is the first one's", () => {
          pm.expect(pm.response.text()).to.eql(pm.environment.get("transfer_answer"));
        });
        pm.test("a header says so", () => pm.response.to.have.header("Idempotency-Replayed", "true"));
      },
    }),
    post("Budi pays a merchant", "/payments/pay", {
      token: "other_token",
      body: { wallet_id: number("other_wallet_id"), merchant: "Gojek", amount: 25_000 },
      status: 201,
    }),
    post("Budi sends some back", "/payments/transfer", {
      token: "other_token",
      body: { from_wallet_id: number("other_wallet_id"), to_user_id: number("user_id"), amount: 75_000 },
      status: 201,
    }),

    get("Ani's balance", "/wallets/{{wallet_id}}/balance", {
      about: "1000000 + 250000 - 50000 - 200000 + 75000",
      status: 200,
      test() {
        pm.test("it is 1075000", () => pm.expect(pm.response.json().balance).to.eql(1_075_000));
      },
    }),
    get("Budi's balance", "/wallets/{{other_wallet_id}}/balance", {
      token: "other_token",
      about: "200000 - 25000 - 75000",
      status: 200,
      test() {
        pm.test("it is 100000", () => pm.expect(pm.response.json().balance).to.eql(100_000));
      },
    }),
    get("Ani's history", "/transactions", {
      about: "Newest first, with what the wallet held after each.",
      status: 200,
      test() {
        const rows = pm.response
          .json()
          .transactions.map((t) => [t.type, t.direction, t.amount, t.balance_after]);
        pm.test("it tells everything, newest first", () => {
          pm.expect(rows).to.deep.eql([
            ["transfer", "in", 75_000, 1_075_000],
            ["transfer", "out", 200_000, 1_000_000],
            ["payment", "out", 50_000, 1_200_000],
            ["topup", "in", 250_000, 1_250_000],
            ["topup", "in", 1_000_000, 1_000_000],
          ]);
        });
        pm.test("the payment names its merchant", () => {
          pm.expect(pm.response.json().transactions[2].description).to.eql("Payment to Tokopedia");
        });
        pm.test("a transfer names the other wallet", () => {
          const other = Number(pm.environment.get("other_wallet_id"));
          pm.expect(pm.response.json().transactions[0].counterparty_wallet_id).to.eql(other);
          pm.expect(pm.response.json().transactions[1].counterparty_wallet_id).to.eql(other);
        });
      },
    }),
    get("Budi's history", "/transactions/wallet/{{other_wallet_id}}", {
      token: "other_token",
      status: 200,
      test() {
        const { transactions } = pm.response.json();
        pm.test("the same transfers, from the other side", () => {
          const rows = transactions.map((t) => [t.type, t.direction, t.amount, t.balance_after]);
          pm.expect(rows).to.deep.eql([
            ["transfer", "out", 75_000, 100_000],
            ["payment", "out", 25_000, 175_000],
            ["transfer", "in", 200_000, 200_000],
          ]);
        });
        pm.test("all are Budi's", () => {
          for (const transaction of transactions) {
            pm.expect(transaction.user_id).to.eql(Number(pm.environment.get("other_user_id")));
            pm.expect(transaction.wallet_id).to.eql(Number(pm.environment.get("other_wallet_id")));
          }
        });
      },
    }),
    get("Ani's statistics", "/transactions/stats", {
      about: "`total_transfer` is what was sent; what was received is `total_received`, and is no part of `net_amount`.",
      status: 200,
      test() {
        pm.test("they sum up to the history", () => {
          const stats = pm.response.json();
          pm.expect(stats.total_transactions).to.eql(5);
          pm.expect(stats.total_topup).to.eql(1_250_000);
          pm.expect(stats.total_payment).to.eql(50_000);
          pm.expect(stats.total_transfer).to.eql(200_000);
          pm.expect(stats.total_received).to.eql(75_000);
          pm.expect(stats.net_amount).to.eql(1_000_000);
        });
      },
    }),
    get("Budi's statistics", "/transactions/stats", {
      token: "other_token",
      status: 200,
      test() {
        pm.test("they sum up to the history", () => {
          const stats = pm.response.json();
          pm.expect(stats.total_transactions).to.eql(3);
          pm.expect(stats.total_topup).to.eql(0);
          pm.expect(stats.total_payment).to.eql(25_000);
          pm.expect(stats.total_transfer).to.eql(75_000);
          pm.expect(stats.total_received).to.eql(200_000);
          pm.expect(stats.net_amount).to.eql(-100_000);
        });
      },
    }),
    get("Ani's payments", "/payments", {
      status: 200,
      test() {
        pm.test("there is the one", () => {
          const { payments } = pm.response.json();
          pm.expect(payments.map((payment) => payment.id)).to.deep.eql([Number(pm.environment.get("payment_id"))]);
          pm.expect(payments[0].merchant).to.eql("Tokopedia");
        });
      },
    }),
    get("Budi's payments", "/payments", {
      token: "other_token",
      status: 200,
      test() {
        pm.test("there is only his own", () => {
          const { payments } = pm.response.json();
          pm.expect(payments.map((payment) => payment.merchant)).to.deep.eql(["Gojek"]);
        });
      },
    }),
  ],
);

// The two people whom every folder starts with, so that each runs alone and as often as one likes.

import { number, post } from "./request.mjs";

/** Registers both, opens their wallets, and puts `amount` into the first's. */
export function twoPeople(amount) {
  return [
    post("Register Ani", "/auth/register", {
      token: null,
      about: "A new person at each run. The scripts keep the token, the id and the address.",
      before() {
        pm.environment.set("email", `ani-${pm.variables.replaceIn("{{$guid}}")}@example.com`);
      },
      body: { name: "Ani", email: "{{email}}", phone: "081200000001", password: "correct horse" },
      status: 201,
      test() {
        const { token, user } = pm.response.json();
        pm.environment.set("token", token);
        pm.environment.set("user_id", user.id);
      },
    }),
    post("Register Budi", "/auth/register", {
      token: null,
      about: "The other side: whom money is sent to, and whose things Ani may not touch.",
      before() {
        pm.environment.set("other_email", `budi-${pm.variables.replaceIn("{{$guid}}")}@example.com`);
      },
      body: { name: "Budi", email: "{{other_email}}", phone: "081200000002", password: "battery staple" },
      status: 201,
      test() {
        const { token, user } = pm.response.json();
        pm.environment.set("other_token", token);
        pm.environment.set("other_user_id", user.id);
      },
    }),
    post("Open Ani's wallet", "/wallets", {
      about: "In IDR, unless the body names another currency.",
      body: {},
      status: 201,
      test() {
        pm.environment.set("wallet_id", pm.response.json().wallet.id);
      },
    }),
    post("Open Budi's wallet", "/wallets", {
      token: "other_token",
      body: { currency: "IDR" },
      status: 201,
      test() {
        pm.environment.set("other_wallet_id", pm.response.json().wallet.id);
      },
    }),
    post(`Top up Ani's wallet by ${amount}`, "/wallets/{{wallet_id}}/topup", {
      body: { amount },
      status: 200,
    }),
  ];
}

/** The body of a transfer from Ani to Budi. */
export const toBudi = (amount) => ({
  from_wallet_id: number("wallet_id"),
  to_user_id: number("other_user_id"),
  amount,
});

/** The body of a payment by Ani. */
export const toMerchant = (merchant, amount) => ({ wallet_id: number("wallet_id"), merchant, amount });

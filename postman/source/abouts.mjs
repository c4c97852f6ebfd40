// One or two sentences on each endpoint: the description of every request that has none of its own.

const abouts = {
  "POST /auth/register": "Makes a user and answers with a token, so no log-in has to follow. Registering opens no wallet.",
  "POST /auth/login": "Begins a session. The token is good for 24 hours.",
  "POST /auth/logout": "Ends the session of the token, and no other.",
  "GET /users": "Users, the newest first. Of others, e-mail and phone are masked.",
  "GET /users/{}": "One user. Of others, e-mail and phone are masked; an administrator sees them whole.",
  "PUT /users/{}": "Changes `name`, `phone` or both of the caller; what is left out stays.",
  "DELETE /users/{}": "Deletes the caller and closes their wallets. The money and its history stay.",
  "PUT /users/{}/password": "Changes the caller's own password, and ends every other session of theirs.",
  "GET /users/lookup": "The one user with this whole address or number, masked.",
  "PUT /users/{}/status": "Suspends a user (`suspended`), or lets them in again (`active`). For administrators.",
  "GET /admin/audit": "Who did what to accounts and wallets, the newest first. For administrators.",
  "GET /users/{}/sessions": "The sessions of the caller, or of anybody for an administrator.",
  "DELETE /users/{}/sessions": "Ends every session of the caller, or with `except=current` all but the one of the token.",
  "DELETE /users/{}/sessions/{}": "Ends one session.",
  "GET /users/verify": "The user of the token.",
  "GET /.well-known/jwks.json": "The public keys that tokens are signed with, for whoever verifies them elsewhere.",
  "GET /currencies": "The currencies that wallets can be opened in, with the digits of their amounts. Needs no token.",
  "GET /wallets": "The caller's wallets, the oldest first.",
  "POST /wallets": "Opens a wallet, in IDR unless the body names another currency. One for each currency.",
  "GET /wallets/{}": "One of the caller's wallets.",
  "GET /wallets/{}/balance": "What the wallet holds now, or with `at` held at a moment of the past.",
  "POST /wallets/{}/topup": "Puts money from outside into the wallet. With an `Idempotency-Key` a repeat is safe.",
  "POST /wallets/{}/deduct": "Takes money out of a wallet. Services may; a user's token is refused, and the gateway does not route it.",
  "GET /wallets/{}/limits": "The limits of the wallet, and how much of each is used: the numbers by which the ledger decides.",
  "PUT /wallets/{}/tier": "Says how well the owner is known, which decides the limits. For administrators; the ledger keeps the reason.",
  "PUT /wallets/{}/status": "Freezes a wallet (`frozen`), or makes it `active` again. For administrators.",
  "GET /admin/wallets": "The wallets of a user (`user_id`), or one wallet (`id`). For administrators.",
  "GET /requests/{}": "What became of the caller's own request, by its `Idempotency-Key`. 404 says that it was not carried out up to now.",
  "GET /payments": "The caller's payments, the newest first.",
  "GET /payments/{}": "One of the caller's payments.",
  "POST /payments/pay": "Pays a merchant. With an `Idempotency-Key` a repeat is safe: the money moves once, and the first answer comes again.",
  "POST /payments/transfer": "Sends money into another user's wallet of the same currency. Both wallets change together or not at all.",
  "POST /payments/authorize": "Reserves money of the wallet for a merchant. Nobody can spend it until it is captured, voided, or its time is over.",
  "GET /payments/{}/refunds": "What was given back of one of the caller's payments, the oldest first.",
  "POST /payments/{}/refunds": "Gives a payment back, or a part of it; all that is left where the body names no amount.",
  "POST /payments/{}/cancel": "Gives back whatever is left of a payment, and what is left of the hold that it was captured from.",
  "POST /admin/transactions/{}/reverse": "Takes a movement back, once, for a reason that stays in the ledger. For administrators.",
  "GET /holds": "The caller's holds, the newest first; `state=open` for those that still reserve something.",
  "GET /holds/{}": "One of the caller's holds, and what was captured of it.",
  "POST /holds/{}/capture": "Pays a hold to its merchant, or a part of it. Unless `final` is false, the rest goes back at once.",
  "POST /holds/{}/void": "Gives back what is left of a hold.",
  "POST /holds/{}/cancel": "Gives back what is left of a hold and of its captures, at once.",
  "GET /transactions": "The caller's history, the newest first. Every movement is there as soon as it was answered.",
  "GET /transactions/{}": "One of the caller's transactions.",
  "GET /transactions/{}/receipt": "Proves that the movement is in the ledger's chain of hashes; docs/RECEIPTS.md tells how it is checked.",
  "GET /transactions/wallet/{}": "The history of one of the caller's wallets, the newest first.",
  "GET /transactions/stats": "What the caller's transactions sum up to. `net_amount` is `total_topup - total_payment - total_transfer`.",
  "POST /transactions": "Records what happened elsewhere; it moves no money. Services may, and a user's token is refused.",
  "GET /health": "Whether it works. At the gateway every service is asked.",
  "GET /livez": "The process works.",
  "GET /readyz": "It can serve. Turns to 503 first when the process stops, and while something that it needs is away.",
  "GET /metrics": "For Prometheus.",
  "GET /openapi.json": "The API document, OpenAPI 3.1. A person reads it at /docs.",
  "GET /docs/": "The API document, to read and to try out.",
  "GET /internal/sessions": "What services ask each other. A user's token can never stand in for a service's.",
};

/** `GET /users/{}`: the method and the path, without prefix, query and ids. */
export function operation(method, path) {
  const plain = path.split("?")[0].replace(/^\/api(\/v1)?(?=\/)/, "");
  const id = /\/(\{\{\w+\}\}|-?\d+|abc)(?=\/|$)/g;
  return `${method} ${plain.replace(id, "/{}")}`;
}

/** The description of a request; a failure's begins with what is answered. */
export function aboutOf(method, path, { about, status, error, code }) {
  const general = abouts[operation(method, path)];
  if (about) return about;
  if (error) {
    const word = code ? ` (\`${code}\`)` : "";
    return `Is refused with ${status} \`${error}\`${word}, and nothing changes.${general ? ` ${general}` : ""}`;
  }
  return general;
}

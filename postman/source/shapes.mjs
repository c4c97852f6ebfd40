// The shapes of contract v1, as JSON schemas. Fields beside these are welcome, so nothing forbids more.

const id = { type: "integer", minimum: 1 };
const amount = { type: "integer", minimum: 1 };
const sum = { type: "integer" };
const text = { type: "string", minLength: 1 };
const time = { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$" };
const currency = { type: "string", pattern: "^[A-Z]{3}$" };

/** An object that has all of these. */
export const object = (properties) => ({ type: "object", required: Object.keys(properties), properties });
export const list = (items) => ({ type: "array", items });
export const word = (...words) => ({ type: "string", enum: words });

// An administrator that comes from the configuration has no number.
export const user = object({ id, name: text, email: text, phone: { type: "string" } });
export const session = object({ token: text, user });
export const recipient = object({ id, name: text, email: text });
export const auditEntry = object({ id, at: time, actor_role: word("user", "admin", "service", "nobody"), act: text, object_kind: text, result: word("done", "refused") });
export const openSession = object({ id: text, created_at: time, expires_at: time, current: { type: "boolean" } });

export const wallet = object({
  id,
  user_id: id,
  balance: { type: "integer", minimum: 0 },
  currency,
  status: word("active", "frozen", "closed"),
});
export const currencyRow = object({
  code: currency,
  numeric: { type: "integer", minimum: 1, maximum: 999 },
  exponent: { type: "integer", minimum: 0, maximum: 4 },
  name: { type: "string", minLength: 1 },
});
export const limits = object({
  wallet_id: id,
  tier: word("unregistered", "registered", "merchant"),
  limits: list(
    object({
      limit: text,
      window: word("transaction", "day", "month", "balance"),
      direction: word("in", "out", "both"),
      kinds: list(text),
      measure: word("amount", "count"),
      max: { type: "integer", minimum: 0 },
      used: { type: "integer", minimum: 0 },
    }),
  ),
});
export const balance = object({ wallet_id: id, balance: { type: "integer", minimum: 0 }, currency });
export const pastBalance = object({ wallet_id: id, balance: { type: "integer", minimum: 0 }, currency, at: time });
export const toppedUp = object({ message: word("Top up successful"), wallet });

export const payment = object({
  id,
  user_id: id,
  wallet_id: id,
  merchant: text,
  amount,
  status: word("completed", "partially_refunded", "refunded"),
  payment_method: word("wallet"),
  refunded: sum,
  refundable: sum,
  created_at: time,
});
export const hold = object({
  id,
  user_id: id,
  wallet_id: id,
  merchant: text,
  amount,
  currency,
  captured: sum,
  released: sum,
  remaining: sum,
  state: word("authorized", "partially_captured", "captured", "voided", "expired"),
  created_at: time,
  expires_at: time,
});
export const refund = object({
  id,
  payment_id: id,
  amount,
  currency,
  status: word("succeeded"),
  reason: word("duplicate", "fraudulent", "requested_by_customer", "other"),
  to: word("wallet", "unclaimed"),
  created_at: time,
});
export const paid = object({ message: word("Payment successful"), payment });
export const sent = object({
  message: word("Transfer successful"),
  from_wallet_id: id,
  to_wallet_id: id,
  amount,
});

export const requests = object({
  requests: { ...list(object({ call: text, state: word("done"), type: text, currency, entry: id, created_at: time })), minItems: 1 },
});

export const transaction = object({
  id,
  user_id: id,
  wallet_id: id,
  type: word("topup", "payment", "transfer", "withdrawal", "hold", "release", "refund", "expiry", "topup_reversal", "transfer_reversal", "withdrawal_reversal"),
  direction: word("in", "out"),
  amount,
  currency,
  description: text,
  status: text,
  balance_after: { type: "integer", minimum: 0 },
  created_at: time,
});
const hash = { type: "string", pattern: "^[0-9a-f]{64}$" };
export const receipt = object({
  format: word("dompet batch v3"),
  entry: id,
  leaf: { type: "string", pattern: "^([0-9a-f]{2})+$" },
  index: { type: "integer", minimum: 0 },
  size: { type: "integer", minimum: 1 },
  path: list(hash),
  first_entry: id,
  last_entry: id,
  hash_before: hash,
  balances: hash,
  hash,
});
export const stats = object({
  total_transactions: sum,
  total_topup: sum,
  total_payment: sum,
  total_transfer: sum,
  net_amount: sum,
});

const state = word("healthy", "unhealthy", "unreachable");
export const gatewayHealth = object({
  service: word("api-gateway"),
  status: word("healthy", "degraded"),
  services: object({
    "user-service": state,
    "wallet-service": state,
    "transaction-service": state,
    "payment-service": state,
  }),
});
export const serviceHealth = object({ service: text, status: word("healthy"), timestamp: time });

export const jwks = object({
  keys: { ...list(object({ kid: text, kty: word("OKP"), crv: word("Ed25519"), x: text })), minItems: 1 },
});

// The variables that a person sees and sets. What has no value here is filled in by the requests' scripts.

const variables = {
  base_url: "http://localhost:5000",
  // Each service on its own port. Empty where only the gateway can be reached: then the folder about them is skipped.
  user_url: "http://localhost:5001",
  wallet_url: "http://localhost:5002",
  transaction_url: "http://localhost:5003",
  payment_url: "http://localhost:5004",
  // An administrator. Empty: what needs one is skipped.
  admin_email: "",
  admin_password: "",
  admin_token: "",
  // Who the requests are made as, and whom they meet. Registering and logging in set them.
  token: "",
  user_id: "",
  email: "",
  wallet_id: "",
  other_token: "",
  other_user_id: "",
  other_email: "",
  other_wallet_id: "",
  third_token: "",
  third_user_id: "",
  third_email: "",
  payment_id: "",
  other_payment_id: "",
  transaction_id: "",
  other_transaction_id: "",
};

const isSecret = (name) => /token$|password$/.test(name);

export const environment = {
  name: "Dompet on this machine",
  values: Object.entries(variables).map(([key, value]) => ({
    key,
    value,
    type: isSecret(key) ? "secret" : "default",
    enabled: true,
  })),
  _postman_variable_scope: "environment",
};

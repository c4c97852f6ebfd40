// The variables that a person sees and sets, once for each way to reach the services. What has no value is filled in by the requests'
// scripts.

const LOCAL = {
  base_url: "http://localhost:5000",
  // Each service on its own port. Empty where only the gateway can be reached: then the folders about them are skipped.
  user_url: "http://localhost:5001",
  wallet_url: "http://localhost:5002",
  transaction_url: "http://localhost:5003",
  payment_url: "http://localhost:5004",
};
const NO_SERVICES = { user_url: "", wallet_url: "", transaction_url: "", payment_url: "" };

const REST = {
  // Who *Log in* is. Empty: what needs them is skipped.
  my_email: "john@example.com",
  my_password: "password123",
  my_token: "",
  // John's, and who gets his transfers. Logging in, lists and what is made set them.
  my_user_id: "1",
  my_wallet_id: "1",
  my_payment_id: "1",
  my_transaction_id: "1",
  receiver_user_id: "2",
  // A user who is made to be deleted.
  new_token: "",
  new_user_id: "",
  // An administrator. Empty: what needs one is skipped.
  admin_email: "",
  admin_password: "",
  admin_token: "",
  // The automatic run's people. Registering and logging in set them.
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

const environment = (name, addresses) => ({
  name,
  values: Object.entries({ ...LOCAL, ...addresses, ...REST }).map(([key, value]) => ({
    key,
    value,
    type: isSecret(key) ? "secret" : "default",
    enabled: true,
  })),
  _postman_variable_scope: "environment",
});

/** By the name of the file that each is in. */
export const environments = {
  "dompet.postman_environment.json": environment("Dompet on this machine", {}),
  "dompet-tilt.postman_environment.json": environment("Dompet by Tilt", { base_url: "http://localhost:8080" }),
  "dompet-nodeport.postman_environment.json": environment("Dompet by NodePort", { base_url: "http://localhost:8000", ...NO_SERVICES }),
  "dompet-port-forward.postman_environment.json": environment("Dompet by kubectl port-forward", {}),
};

// What is asked without a token: is it there, is it well, what can it do.

import { folder, get } from "./request.mjs";
import { gatewayHealth } from "./shapes.mjs";

export const health = folder("Health", "Is it there, and is it well? Needs no token.", [
  get("Health of the whole system", "/health", {
    prefix: "",
    token: null,
    about: "The gateway asks every service. One that answers badly is `unhealthy`, one that does not answer `unreachable`; then the status is `degraded` and the code 503.",
    status: 200,
    shape: gatewayHealth,
    test() {
      pm.test("every service is healthy", () => {
        const { status, services } = pm.response.json();
        pm.expect(status).to.eql("healthy");
        pm.expect(new Set(Object.values(services))).to.deep.eql(new Set(["healthy"]));
      });
    },
  }),
  get("The same under the prefix", "/health", { token: null, status: 200, shape: gatewayHealth }),
  get("Liveness", "/livez", { prefix: "", token: null, about: "The process works.", status: 200 }),
  get("Readiness", "/readyz", { prefix: "", token: null, about: "It can serve. Turns to 503 first when the process stops.", status: 200 }),
  get("Metrics", "/metrics", {
    prefix: "",
    token: null,
    about: "For Prometheus.",
    status: 200,
    test() {
      pm.test("they are in Prometheus' text format", () => {
        pm.expect(pm.response.text()).to.match(/^# (HELP|TYPE) /m);
      });
    },
  }),
  get("Public configuration", "/config", {
    token: null,
    about: "What a page needs to know before anybody has logged in: the logins of the demo data, if there is any.",
    status: 200,
    test() {
      pm.test("demo logins are a list", () => pm.expect(pm.response.json().demo_logins).to.be.an("array"));
    },
  }),
  get("API document", "/openapi.json", {
    prefix: "",
    token: null,
    about: "OpenAPI 3.1. A person reads it at /docs.",
    status: 200,
    test() {
      pm.test("it is OpenAPI 3.1", () => pm.expect(pm.response.json().openapi).to.match(/^3\.1/));
    },
  }),
  get("API document, to read", "/docs/", {
    prefix: "",
    token: null,
    status: 200,
    test() {
      pm.test("it is a page", () => pm.expect(pm.response.headers.get("Content-Type")).to.include("text/html"));
    },
  }),
]);

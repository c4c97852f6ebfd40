// The collection as a whole.

import { auth, event, source } from "./request.mjs";
import { byHand } from "./byhand.mjs";
import { endpoints } from "./endpoints.mjs";
import { complete } from "./examples.mjs";
import { failures } from "./failures.mjs";
import { health } from "./health.mjs";
import { services } from "./services.mjs";
import { story } from "./story.mjs";

/** What holds for each answer. */
function everyAnswer() {
  pm.test("it is no failure of the server", () => pm.expect(pm.response.code).to.be.below(500));
  pm.test("it names its trace", () => pm.response.to.have.header("X-Trace-Id"));
}

export const collection = {
  info: {
    name: "Dompet",
    description: [
      "The public API of Dompet, a digital wallet, with a check on each answer.",
      "",
      "Import this file and the environments beside it, and choose the one that says how you reach the services.",
      "",
      "* *By hand* is for a person: send *Log in*, then any of its requests.",
      "* *Each service* has a folder for each service on its own port, as after a `kubectl port-forward`.",
      "* *Health*, *Full story*, *Failures* and *Each endpoint* are an automatic run with a check on each answer: run a folder or",
      "  all of it. The scripts register people of their own, so everything can be run again on the same data.",
      "",
      "From the command line: `newman run dompet.postman_collection.json -e dompet.postman_environment.json`",
      "",
      "Made by `postman/build.mjs`; edit `postman/source/`.",
    ].join("\n"),
    schema: "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
  },
  auth: auth("token"),
  event: [event("test", source(everyAnswer))],
  item: complete([byHand, services, health, story, failures, endpoints]),
};

// The collection as a whole.

import { auth, event, source } from "./request.mjs";
import { endpoints } from "./endpoints.mjs";
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
      "Import this file and `dompet.postman_environment.json`, choose the environment, and run a folder or the whole. The",
      "scripts register people of their own and keep their tokens and ids in the environment, so everything can be run again on",
      "the same data. By hand: send *Register* or *Log in* first; from then on every request goes out with that token.",
      "",
      "From the command line: `newman run dompet.postman_collection.json -e dompet.postman_environment.json`",
      "",
      "Made by `postman/build.mjs`; edit `postman/source/`.",
    ].join("\n"),
    schema: "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
  },
  auth: auth("token"),
  event: [event("test", source(everyAnswer))],
  item: [health, story, failures, endpoints, services],
};

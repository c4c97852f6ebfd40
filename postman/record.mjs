// Plays the collection, and takes the answers into source/examples.json, from which the examples beside the requests are made.
//
//   GATEWAY_PORT=5000 USER_SERVICE_PORT=5001 … ADMIN_EMAIL=… ADMIN_PASSWORD=… node postman/record.mjs && node postman/build.mjs
//
// Record on fresh demo data with an administrator, so that every request is answered and lists are short.

import { writeFileSync } from "node:fs";
import { play } from "./play.mjs";

const BODY_CHARS_MAX = 1500;
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;
const GUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Tells at a look that it is no token. */
const NO_TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl";
const NO_GUID = "00000000-0000-4000-8000-000000000000";

const examples = {};
const { failures } = await play({
  onAnswer(item, response) {
    // Scripts ask too, after the request itself.
    examples[item.id] ??= {
      code: response.code,
      status: response.status,
      type: response.headers.get("content-type") ?? "",
      body: shortened(response.text().replaceAll(TOKEN, NO_TOKEN).replaceAll(GUID, NO_GUID)),
    };
  },
});
for (const failure of failures) console.error(failure);
const inOrder = Object.fromEntries(Object.keys(examples).sort().map((id) => [id, examples[id]]));
writeFileSync(new URL("source/examples.json", import.meta.url), `${JSON.stringify(inOrder, null, 2)}\n`);
console.log(`${Object.keys(examples).length} answers`);
process.exitCode = failures.length ? 1 : 0;

function shortened(text) {
  const pretty = indented(text);
  return pretty.length > BODY_CHARS_MAX ? `${pretty.slice(0, BODY_CHARS_MAX)}\n…` : pretty;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

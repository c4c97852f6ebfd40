// Takes the answers of a run into source/examples.json, from which the collection's examples are made.
//
//   newman run … --reporters json --reporter-json-export newman.json && node postman/record.mjs newman.json && node postman/build.mjs
//
// Record on fresh demo data with an administrator, as .ci/run starts it, so that every request is answered and lists are short.

import { readFileSync, writeFileSync } from "node:fs";

const BODY_CHARS_MAX = 1500;
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;
const GUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Tells at a look that it is no token. */
const NO_TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl";
const NO_GUID = "00000000-0000-4000-8000-000000000000";

const file = new URL("source/examples.json", import.meta.url);
const examples = {};
const { run } = JSON.parse(readFileSync(process.argv[2]));
for (const { item, response } of run.executions) {
  if (!response) continue;
  const header = (name) => response.header.find(({ key }) => key.toLowerCase() === name)?.value ?? "";
  examples[item.id] = { code: response.code, status: response.status, type: header("content-type"), body: body(response) };
}
writeFileSync(file, `${JSON.stringify(examples, null, 2)}\n`);
console.log(`${Object.keys(examples).length} answers`);

function body(response) {
  const text = Buffer.from(response.stream?.data ?? []).toString().replaceAll(TOKEN, NO_TOKEN).replaceAll(GUID, NO_GUID);
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

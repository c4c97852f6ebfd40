// Writes the collection and the environments from source/.
//
//   node postman/build.mjs            write the files
//   node postman/build.mjs --check    only compare, and see that every request has a description and an example; exit 1 when not
//
// The collection is made, not typed, because a test script inside JSON is one long string that nobody can review.

import { readFileSync, writeFileSync } from "node:fs";
import { collection } from "./source/collection.mjs";
import { environments } from "./source/environment.mjs";
import { incomplete } from "./source/examples.mjs";

const files = {
  "dompet.postman_collection.json": collection,
  ...environments,
};

let stale = false;
const lacking = incomplete(collection.item);
if (process.argv.includes("--check") && lacking.length) {
  console.error(`these lack a description or an example (see postman/record.mjs):\n  ${lacking.join("\n  ")}`);
  stale = true;
}
for (const [name, content] of Object.entries(files)) {
  const path = new URL(name, import.meta.url);
  const text = JSON.stringify(content, null, "\t") + "\n";
  if (!process.argv.includes("--check")) {
    writeFileSync(path, text);
  } else if (text !== readFileSync(path, "utf8")) {
    console.error(`postman/${name} is not what postman/source says; run: node postman/build.mjs`);
    stale = true;
  }
}
process.exitCode = stale ? 1 : 0;

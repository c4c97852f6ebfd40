// Writes dompet.postman_collection.json and dompet.postman_environment.json from source/.
//
//   node postman/build.mjs            write both files
//   node postman/build.mjs --check    only compare; exit 1 when they differ
//
// The collection is made, not typed, because a test script inside JSON is one long string that nobody can review.

import { readFileSync, writeFileSync } from "node:fs";
import { collection } from "./source/collection.mjs";
import { environment } from "./source/environment.mjs";

const files = {
  "dompet.postman_collection.json": collection,
  "dompet.postman_environment.json": environment,
};

let stale = false;
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

// Walks the README's tour as it is printed, against a wallet with fresh demo data: what a newcomer types must answer what the README shows.
//
//   node tests/tour.mjs 5000      the gateway's port

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const COMMAND_LIMIT_MS = 20_000;
const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

const [port] = process.argv.slice(2);
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const start = readme.slice(readme.indexOf("## Start"), readme.indexOf("## Test"));

// One shell for all: the token is kept in it. Each command is one paragraph; an answer, where one is shown, is that of the block before.
const blocks = [...start.matchAll(/```(sh|json)\n([^]*?)```/g)].map(([, kind, text]) => ({ kind, text: text.trim() }));
const isCall = ({ kind, text }) => kind === "sh" && text.includes("curl");
const script = blocks.filter(isCall).map(({ text }) => `${text}\necho --`).join("\n");
const output = execFileSync("bash", ["-euc", script.replaceAll("localhost:5000", `localhost:${port}`)], { timeout: COMMAND_LIMIT_MS });
const answers = output.toString().split("--\n").map((answer) => answer.trim());

let failed = 0;
const calls = blocks.filter(isCall);
for (const [index, call] of calls.entries()) {
  const shown = blocks[blocks.indexOf(call) + 1];
  const [expected, got] = [shown.kind === "json" ? shown.text : "", answers[index]].map((text) => text.replaceAll(TIME, "…"));
  if (expected === got) continue;
  failed += 1;
  console.error(`the README says\n  ${expected}\nand the answer to\n  ${call.text}\nis\n  ${got}`);
}
if (calls.length < 3) throw new Error("the README's tour was not found");
console.log(`${calls.length} calls of the README's tour, ${failed} with another answer than it shows`);
process.exitCode = failed ? 1 : 0;

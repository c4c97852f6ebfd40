// Builds the pages anew, beside those that are committed, and compares: what the binary has is what the source says. Compressed files are
// compared by their content, since another version of the compressor may pack the same bytes differently.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

const committed = new URL("../../gateway/pages", import.meta.url).pathname;
const schema = new URL("../src/api/schema.d.ts", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "dompet-pages-"));
const made = join(scratch, "pages");
const problems = [];

function run(...command) {
  const { status } = spawnSync("npx", ["--no-install", ...command], { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`${command.join(" ")}: ended with ${status}`);
}

function files(folder) {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
}

function content(folder, name) {
  const bytes = readFileSync(join(folder, name));
  if (name.endsWith(".br")) return brotliDecompressSync(bytes);
  return name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}

try {
  run("openapi-typescript", "../docs/openapi.json", "--output", join(scratch, "schema.d.ts"));
  if (!readFileSync(schema).equals(readFileSync(join(scratch, "schema.d.ts")))) {
    problems.push("src/api/schema.d.ts is not what docs/openapi.json says; run: npm run api");
  }
  run("vite", "build", "--logLevel", "warn", "--outDir", made);
  const { status } = spawnSync(process.execPath, ["tools/embed.mjs", made], { stdio: "inherit" });
  if (status !== 0) throw new Error("tools/embed.mjs failed");
  const [ours, theirs] = [files(made), files(committed)];
  const differ = [...new Set([...ours, ...theirs])].filter(
    (name) => !ours.includes(name) || !theirs.includes(name) || !content(made, name).equals(content(committed, name)),
  );
  if (differ.length) problems.push(`gateway/pages is not what web/ says; run: npm run build\n  ${differ.join("\n  ")}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length ? 1 : 0;

// Makes the built pages ready to be part of the gateway's binary: compresses each file once, here, and writes the table of files that
// gateway/src/pages.rs includes.
//
//   node tools/embed.mjs FOLDER

import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
/** Below it compressing saves nothing that anybody notices. */
const COMPRESS_BYTES_MIN = 512;

const folder = process.argv[2];
// The same page for addresses with one more slash, such as /activity/7: what it loads is one folder up.
const index = readFileSync(join(folder, "index.html"), "utf8");
writeFileSync(join(folder, "nested.html"), index.replaceAll('="./', '="../'));
const names = [
  "index.html",
  "nested.html",
  ...readdirSync(join(folder, "assets"))
    .sort()
    .map((name) => `assets/${name}`),
];

const rows = names.map((name) => {
  const type = TYPES[extname(name)];
  if (type === undefined) throw new Error(`${name}: no content type for it in tools/embed.mjs`);
  const bytes = readFileSync(join(folder, name));
  const tag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const isSmall = bytes.length < COMPRESS_BYTES_MIN;
  if (!isSmall) {
    const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
    writeFileSync(join(folder, `${name}.br`), brotliCompressSync(bytes, options));
    writeFileSync(join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
  }
  const packed = (suffix) => (isSmall ? "None" : `Some(include_bytes!("${name}${suffix}"))`);
  return `    File {
        name: "${name}",
        content_type: "${type}",
        etag: "W/\\"${tag}\\"",
        plain: include_bytes!("${name}"),
        brotli: ${packed(".br")},
        gzip: ${packed(".gz")},
    },
`;
});

writeFileSync(join(folder, "table.rs"), `// Made by \`npm run build\` in web/.\n&[\n${rows.join("")}]\n`);
copyFileSync(new URL("../src/routes.json", import.meta.url), join(folder, "routes.json"));
rmSync(join(folder, ".vite"), { recursive: true, force: true });

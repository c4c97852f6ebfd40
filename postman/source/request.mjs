// How a request and its checks are written here, and what becomes of them in Postman's format (v2.1).
//
// A check is an ordinary function with the name `before` or `test`; its body is copied into the collection as text. So it may
// use what Postman's sandbox has (`pm`), and nothing from around it.

import { aboutOf } from "./abouts.mjs";

/** A folder. `description` says what it shows, and what it needs; `token` is the variable with the caller's token, if not the collection's. */
export function folder(name, description, item, { token } = {}) {
  return { name, description, item, ...(token && { auth: auth(token) }) };
}

export const get = (name, path, options) => request("GET", name, path, options);
export const post = (name, path, options) => request("POST", name, path, options);
export const put = (name, path, options) => request("PUT", name, path, options);
export const remove = (name, path, options) => request("DELETE", name, path, options);

/**
 * One request with its checks.
 *
 * - `about`: the description; left out, it is that of the endpoint or of the failure
 * - `body`: an object, or text for what an object cannot say
 * - `token`: the variable that holds the caller's token; `null` for none. Left out, it is that of the collection.
 * - `headers`: by name
 * - `base`: the variable that holds the address; the prefix of the API comes after the gateway's only
 * - `prefix`: what comes before the path
 * - `status`: what must be answered
 * - `error`, `code`: the sentence, and the stable word, of a failure
 * - `shape`: a JSON schema that the answer must satisfy
 * - `before`, `test`: functions, see above, or the lines of a script
 *
 * The example beside each request is an answer that was recorded: see examples.mjs.
 */
function request(method, name, path, options = {}) {
  const { base = "base_url", prefix = base === "base_url" ? "/api/v1" : "" } = options;
  const own = { method, header: header(options), url: url(base, prefix + path) };
  own.description = aboutOf(method, prefix + path, options);
  if (options.token !== undefined) own.auth = auth(options.token);
  if (options.body !== undefined) own.body = body(options);
  return {
    name,
    event: [event("prerequest", source(options.before)), event("test", checks(options))].filter(Boolean),
    request: own,
    response: [],
  };
}

/** `{{base_url}}/api/v1/users?limit=1`, whole and in the parts that Postman shows. */
function url(base, path) {
  const [plain, query] = path.split("?");
  const parts = { raw: `{{${base}}}${path}`, host: [`{{${base}}}`], path: plain.split("/").slice(1) };
  if (query) {
    parts.query = query.split("&").map((pair) => {
      const [key, value] = pair.split("=");
      return { key, value };
    });
  }
  return parts;
}

function header({ headers = {}, body }) {
  const all = body === undefined ? headers : { "Content-Type": "application/json", ...headers };
  return Object.entries(all).map(([key, value]) => ({ key, value }));
}

function body({ body, headers = {} }) {
  const raw = typeof body === "string" ? body : JSON.stringify(body, null, 2).replaceAll(UNQUOTED, "$1");
  const language = headers["Content-Type"] ? "text" : "json";
  return { mode: "raw", raw, options: { raw: { language } } };
}

/** A variable in the place of a number: `wallet_id: number("wallet_id")` becomes `"wallet_id": {{wallet_id}}`. */
export const number = (variable) => `#{{${variable}}}`;
const UNQUOTED = /"#(\{\{\w+\}\})"/g;

export function auth(variable) {
  if (variable === null) return { type: "noauth" };
  return { type: "bearer", bearer: [{ key: "token", value: `{{${variable}}}`, type: "string" }] };
}

export function event(listen, lines) {
  return lines.length ? { listen, script: { type: "text/javascript", exec: lines } } : undefined;
}

function checks({ status, error, code, shape, test }) {
  const lines = [];
  if (status) lines.push(`pm.test("the status is ${status}", () => pm.response.to.have.status(${status}));`);
  if (error) {
    lines.push(
      `pm.test(${JSON.stringify(`it says: ${error}`)}, () => {`,
      `  const body = pm.response.json();`,
      `  pm.expect(body.error).to.eql(${JSON.stringify(error)});`,
      code
        ? `  pm.expect(body.code).to.eql(${JSON.stringify(code)});`
        : `  pm.expect(body.code).to.be.a("string").that.is.not.empty;`,
      `});`,
    );
  }
  if (shape) {
    lines.push(
      `pm.test("the answer has the shape of the contract", () => {`,
      ...`  pm.response.to.have.jsonSchema(${JSON.stringify(shape, null, 2)});`.split("\n").map(indentAfterFirst),
      `});`,
    );
  }
  return [...lines, ...source(test)];
}

const indentAfterFirst = (line, index) => (index === 0 ? line : `  ${line}`);

/** The lines of a function's body, without its indentation. */
export function source(check) {
  if (!check) return [];
  if (Array.isArray(check)) return check;
  const lines = check.toString().split("\n").slice(1, -1);
  const indent = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(indent));
}

// The answers that are shown beside the requests. postman/record.mjs took them from a run, so they are what is answered.
//
// A request's id is its place in the collection, so that it can be named.

import { readFileSync } from "node:fs";

const recorded = JSON.parse(readFileSync(new URL("examples.json", import.meta.url)));

const word = (name) =>
  name
    .toLowerCase()
    .replaceAll(/'/g, "")
    .replaceAll(/[^a-z0-9.+-]+/g, "-")
    .replaceAll(/^-|-$/g, "");

/** Gives every request in these folders its id and its example. */
export function complete(items, above = "") {
  const taken = new Map();
  for (const item of items) {
    const plain = above + word(item.name);
    const count = (taken.get(plain) ?? 0) + 1;
    taken.set(plain, count);
    item.id = count === 1 ? plain : `${plain}-${count}`;
    if (item.item) complete(item.item, `${item.id}/`);
    else if (recorded[item.id]) item.response = [example(item.request, recorded[item.id])];
  }
  return items;
}

function example(originalRequest, { code, status, type, body }) {
  return {
    name: `${code} ${status}`,
    originalRequest,
    status,
    code,
    _postman_previewlanguage: type.includes("json") ? "json" : "text",
    header: type ? [{ key: "Content-Type", value: type }] : [],
    body,
  };
}

/** The ids of requests that lack a description or an example. */
export function incomplete(items) {
  return items.flatMap((item) => {
    if (item.item) return item.description ? incomplete(item.item) : [item.id, ...incomplete(item.item)];
    return item.request.description && item.response.length ? [] : [item.id];
  });
}

// Where the pages are. A proxy may have them under a path of its own, which nobody tells them: the address of this script does.

/** The path that all addresses begin with, with a slash at its end: `/`, or `/wallet/` behind such a proxy. */
export const base = pathAbove(import.meta.url);

/** The folder above the one of a script. */
export function pathAbove(script: string): string {
  return new URL("../", script).pathname;
}

/** Has the page's links say their whole addresses: a relative one would mean another file as soon as the router changes the path. */
export function fixLinks(page: Document): void {
  for (const link of page.querySelectorAll<HTMLLinkElement>("link[href]")) link.href = link.href;
}

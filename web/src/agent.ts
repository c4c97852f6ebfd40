// What a browser calls itself, in two words for a person.

const BROWSERS: readonly [RegExp, string][] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b((Headless)?Chrome|CriOS)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const SYSTEMS: readonly [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\b(iPhone|iPad)\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bLinux\b/, "Linux"],
];
const OTHER_CHARS_MAX = 40;

/** `Chrome · Android`; of a program its own words, `null` where there are none. */
export function agentName(agent: string | null | undefined): string | null {
  if (!agent) return null;
  const of = (list: typeof BROWSERS) => list.find(([pattern]) => pattern.test(agent))?.[1];
  const known = [of(BROWSERS), of(SYSTEMS)].filter((word) => word !== undefined);
  return known.length ? known.join(" · ") : agent.slice(0, OTHER_CHARS_MAX);
}

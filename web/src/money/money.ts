// Amounts as people write and read them. An amount is a whole number of the smallest unit that its currency uses here, and never more than
// 2^53 - 1, so a `number` holds it exactly. No amount is ever divided: digits are moved as text.

import table from "./currencies.json" with { type: "json" };

/** The largest amount of one movement: `money::Amount::MAX`. */
export const AMOUNT_MAX = Number.MAX_SAFE_INTEGER;

const MINUS = "\u2212";
const NO_BREAK_SPACE = "\u00a0";

/** Digits behind the decimal separator; made from the server's own table and compared with it by a test there. */
const DIGITS: Record<string, number | undefined> = table;

export type Language = "id" | "en";

const SEPARATORS: Record<Language, { group: string; decimal: string }> = {
  id: { group: ".", decimal: "," },
  en: { group: ",", decimal: "." },
};

/** How many digits the currency has behind the separator. */
export function digitsOf(currency: string): number {
  return DIGITS[currency] ?? 2;
}

/** What stands before the number: `Rp` or the code. */
export function symbolOf(currency: string): string {
  return currency === "IDR" ? "Rp" : currency;
}

/** The number alone, such as `1.250.000` or `12,50`. */
export function formatNumber(units: number, currency: string, language: Language): string {
  const { group, decimal } = SEPARATORS[language];
  const digits = digitsOf(currency);
  const text = Math.abs(units).toString().padStart(digits + 1, "0");
  const whole = grouped(text.slice(0, text.length - digits), group);
  return digits === 0 ? whole : whole + decimal + text.slice(text.length - digits);
}

/** An amount with its currency, such as `Rp 1.250.000`; below zero with a real minus sign. */
export function formatMoney(units: number, currency: string, language: Language): string {
  const sign = units < 0 ? MINUS : "";
  return `${sign}${symbolOf(currency)}${NO_BREAK_SPACE}${formatNumber(units, currency, language)}`;
}

export type AmountProblem = "empty" | "number" | "negative" | "fraction" | "zero" | "large";
export type Parsed = { units: number } | { problem: AmountProblem };

/**
 * Reads an amount as people type or paste it: `Rp 1.250.000`, `1,250,000.00`, `IDR 1250000`. It refuses what it would have to guess at:
 * a wrong guess is a payment of a hundred times as much.
 */
export function parseAmount(input: string, currency: string, language: Language): Parsed {
  const text = input
    .replace(/[\s'’_]/g, "")
    .replace(/^(Rp\.?|[A-Z]{3}|[$€£¥])/i, "")
    .replace(/(Rp\.?|[A-Z]{3}|,-|[$€£¥])$/i, "");
  if (text === "") return { problem: "empty" };
  if (/^[-\u2212(]/.test(text)) return { problem: "negative" };
  const parts = split(text, digitsOf(currency), language);
  if (parts === null) return { problem: "number" };
  const digits = digitsOf(currency);
  const kept = parts.fraction.slice(0, digits).padEnd(digits, "0");
  if (/[1-9]/.test(parts.fraction.slice(digits))) return { problem: "fraction" };
  const exact = BigInt(parts.whole + kept);
  if (exact === 0n) return { problem: "zero" };
  return exact > BigInt(AMOUNT_MAX) ? { problem: "large" } : { units: Number(exact) };
}

/** The whole part and the fraction, each as digits; `null` where it is no number. */
function split(text: string, digits: number, language: Language): { whole: string; fraction: string } | null {
  if (/^\d+$/.test(text)) return { whole: text, fraction: "" };
  const found = /^(\d[\d.,]*)([.,])(\d*)$/.exec(text);
  if (!found) return null;
  const [, before = "", last = "", after = ""] = found;
  const other = last === "." ? "," : ".";
  const isGroup = isGrouping(before, last, after, digits, language);
  const [head, fraction] = isGroup ? [text, ""] : [before, after];
  const group = isGroup ? last : other;
  if (head.includes(group === "." ? "," : ".")) return null;
  const groups = head.split(group);
  const areGroups = groups.every((part, index) => (index === 0 ? /^\d{1,3}$/ : /^\d{3}$/).test(part));
  if (groups.length > 1 && !areGroups) return null;
  return { whole: groups.join(""), fraction };
}

/** Whether the last separator is one of thousands. */
function isGrouping(before: string, last: string, after: string, digits: number, language: Language): boolean {
  if (before.includes(last)) return true;
  if (before.includes(last === "." ? "," : ".") || after.length !== 3) return false;
  return digits === 0 || last === SEPARATORS[language].group;
}

/**
 * What the field shows while somebody types: groups are set, what cannot be read yet stays as it is. Returns the caret's new place too.
 */
export function regroup(
  text: string,
  caret: number,
  currency: string,
  language: Language,
): { text: string; caret: number } {
  const { group, decimal } = SEPARATORS[language];
  const plain = text.replaceAll(group, "");
  const [whole = "", fraction] = plain.split(decimal);
  const isTyped =
    /^\d+$/.test(whole) &&
    plain.split(decimal).length <= 2 &&
    (fraction === undefined || (digitsOf(currency) > 0 && /^\d*$/.test(fraction)));
  if (!isTyped) return { text, caret };
  const next = grouped(whole.replace(/^0+(?=\d)/, ""), group) + (fraction === undefined ? "" : decimal + fraction);
  // The caret keeps its distance from the end, counted in what is not a group's separator.
  const behind = text.slice(caret).replaceAll(group, "").length;
  let place = next.length;
  for (let left = behind; left > 0 && place > 0; place--) if (next[place - 1] !== group) left--;
  return { text: next, caret: place };
}

function grouped(whole: string, group: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, group);
}

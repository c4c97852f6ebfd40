// Times in the reader's zone. The server's are UTC.

import type { Language } from "./money/money";

const LOCALES: Record<Language, string> = { id: "id-ID", en: "en-GB" };

/** `25 November 2026 pukul 14.35.07 WIB`: for a receipt. */
export function formatExact(time: string, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], { dateStyle: "long", timeStyle: "long" }).format(new Date(time));
}

/** `25 Nov 2026, 14.35`. */
export function formatShort(time: string | number, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));
}

/** `25 Nov, 14.35`: for what was lately. */
export function formatRecent(time: string | number, language: Language): string {
  const parts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  return new Intl.DateTimeFormat(LOCALES[language], parts).format(new Date(time));
}

/** `14.35`. */
export function formatClock(time: string | number, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], { timeStyle: "short" }).format(new Date(time));
}

/** The day in the reader's zone as `2026-11-25`: for grouping and for filters. */
export function dayOf(time: string | number | Date): string {
  const date = new Date(time);
  const two = (number: number) => number.toString().padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The heading of a day: today and yesterday by name. */
export function formatDay(day: string, language: Language, now = new Date()): string {
  const relative = new Intl.RelativeTimeFormat(LOCALES[language], { numeric: "auto" });
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  if (day === dayOf(now)) return capital(relative.format(0, "day"));
  if (day === dayOf(yesterday)) return capital(relative.format(-1, "day"));
  const date = new Date(`${day}T12:00:00`);
  const year = date.getFullYear() === now.getFullYear() ? undefined : ("numeric" as const);
  return new Intl.DateTimeFormat(LOCALES[language], { weekday: "long", day: "numeric", month: "long", year }).format(date);
}

/** `25/11`, for an axis. */
export function formatTick(day: string, language: Language): string {
  const date = new Date(`${day}T12:00:00`);
  return new Intl.DateTimeFormat(LOCALES[language], { day: "numeric", month: "short" }).format(date);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

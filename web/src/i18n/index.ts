// The languages, and what the reader chose. Only the language in use is loaded.

import { createI18n } from "vue-i18n";
import type { Language } from "../money/money";
import type { id } from "./id";

type Messages = typeof id;
const PLACE = "dompet.language";
export const LANGUAGES: readonly Language[] = ["id", "en"];

const LOADERS: Record<Language, () => Promise<Messages>> = {
  id: async () => (await import("./id")).id,
  en: async () => (await import("./en")).en,
};

export const i18n = createI18n<[Messages], Language, false>({ legacy: false, locale: "id", messages: {} as never });

/** The language that was chosen, or else the first of the browser's that is here, or else Indonesian. */
export function preferred(): Language {
  const wanted = [localStorage.getItem(PLACE), ...navigator.languages].map((code) => code?.slice(0, 2));
  return LANGUAGES.find((one) => one === wanted.find((code) => code === "id" || code === "en")) ?? "id";
}

export async function use(language: Language): Promise<void> {
  i18n.global.setLocaleMessage(language, (await LOADERS[language]()) as never);
  i18n.global.locale.value = language;
  document.documentElement.lang = language;
}

export async function choose(language: Language): Promise<void> {
  localStorage.setItem(PLACE, language);
  await use(language);
}

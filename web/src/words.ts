// Texts that depend on more than a key: amounts, errors, movements.

import { computed } from "vue";
import { useI18n } from "vue-i18n";
import { Failure } from "./api/client";
import type { Person, Transaction } from "./api/queries";
import { formatMoney, type Language } from "./money/money";

export function useWords() {
  const { t, te, locale } = useI18n();
  const language = computed(() => locale.value as Language);

  /** Why something did not work, for a person. */
  function explain(error: unknown): string {
    if (!(error instanceof Failure)) return t("code.unknown", { code: "?" });
    const key = `code.${error.code}`;
    return te(key) ? t(key) : t("code.unknown", { code: error.code });
  }

  function money(units: number, currency: string): string {
    return formatMoney(units, currency, language.value);
  }

  /** With a sign, as the owner of the wallet sees it. */
  function signed(one: Transaction): string {
    return one.direction === "in" ? `+${money(one.amount, one.currency)}` : money(-one.amount, one.currency);
  }

  /** What a movement is called: the merchant, the other person, or its type. The API describes it in English only. */
  function titleOf(one: Transaction, people: readonly Person[] = []): string {
    const merchant = /^Payment to (.+)$/s.exec(one.description)?.[1];
    if (one.type === "payment" && merchant !== undefined) return merchant;
    const other = /^Transfer (?:to|from) user (\d+)$/.exec(one.description)?.[1];
    if (one.type === "transfer" && other !== undefined) {
      return people.find((person) => person.id === Number(other))?.name ?? t("move.user", { id: other });
    }
    const held = /^Hold for (.+)$/s.exec(one.description)?.[1];
    if (one.type === "hold" && held !== undefined) return held;
    return one.type === "withdrawal" && one.description ? one.description : kindOf(one);
  }

  function kindOf(one: Transaction): string {
    if (one.type === "transfer") return t(one.direction === "in" ? "activity.in" : "activity.out");
    const key = `kind.${one.type}`;
    return te(key) ? t(key) : one.description || one.type;
  }

  return { t, language, explain, money, signed, titleOf, kindOf };
}

import { describe, expect, it } from "vitest";
import { AMOUNT_MAX, digitsOf, formatMoney, parseAmount, regroup } from "../src/money/money";

const NBSP = "\u00a0";

describe("amounts as people write them", () => {
  it.each([
    ["Rp 1.250.000", "IDR", "id", 1_250_000],
    ["Rp1.250.000,00", "IDR", "id", 1_250_000],
    ["1.250.000,-", "IDR", "id", 1_250_000],
    ["IDR 1,250,000.00", "IDR", "id", 1_250_000],
    ["1250000", "IDR", "en", 1_250_000],
    ["1.250", "IDR", "en", 1_250],
    ["1,250", "IDR", "id", 1_250],
    ["12,50", "USD", "id", 1_250],
    ["12.5", "USD", "en", 1_250],
    ["1.250", "USD", "id", 125_000],
    ["$1,250.75", "USD", "id", 125_075],
    ["1.234", "KWD", "en", 1_234],
    ["1 250 000", "IDR", "id", 1_250_000],
    ["9.007.199.254.740.991", "IDR", "id", AMOUNT_MAX],
  ] as const)("%s in %s (%s) is %i", (text, currency, language, units) => {
    expect(parseAmount(text, currency, language)).toEqual({ units });
  });

  it.each([
    ["", "IDR", "empty"],
    ["Rp", "IDR", "empty"],
    ["0", "IDR", "zero"],
    ["0,00", "IDR", "zero"],
    ["-5", "IDR", "negative"],
    ["\u22125", "IDR", "negative"],
    ["1,5", "IDR", "fraction"],
    ["1.250.000,75", "IDR", "fraction"],
    ["1,255", "USD", "fraction"],
    ["1.25.000", "IDR", "number"],
    ["1.250,000.00", "IDR", "number"],
    ["12a", "IDR", "number"],
    ["1e6", "IDR", "number"],
    ["9007199254740992", "IDR", "large"],
  ] as const)("%s in %s is refused: %s", (text, currency, problem) => {
    expect(parseAmount(text, currency, "id")).toEqual({ problem });
  });

  it("is never read as another amount than the one that is shown", () => {
    for (const language of ["id", "en"] as const) {
      for (const currency of ["IDR", "USD", "JPY", "KWD"]) {
        for (const units of [1, 99, 100, 1_000, 123_456, 1_000_000, AMOUNT_MAX]) {
          expect(parseAmount(formatMoney(units, currency, language), currency, language)).toEqual({ units });
        }
      }
    }
  });
});

describe("amounts as they are shown", () => {
  it("has the digits of the currency, groups of the language and a real minus sign", () => {
    expect(formatMoney(1_250_000, "IDR", "id")).toBe(`Rp${NBSP}1.250.000`);
    expect(formatMoney(1_250_000, "IDR", "en")).toBe(`Rp${NBSP}1,250,000`);
    expect(formatMoney(-5, "USD", "id")).toBe(`\u2212USD${NBSP}0,05`);
    expect(formatMoney(0, "KWD", "en")).toBe(`KWD${NBSP}0.000`);
    expect([digitsOf("IDR"), digitsOf("USD"), digitsOf("JPY"), digitsOf("KWD")]).toEqual([0, 2, 0, 3]);
  });
});

describe("the amount field", () => {
  /** Types a text at its end, key by key. */
  function typed(text: string, currency: string, language: "id" | "en"): string {
    let shown = "";
    for (const key of text) shown = regroup(shown + key, shown.length + 1, currency, language).text;
    return shown;
  }

  it("sets groups while somebody types", () => {
    expect(typed("1250000", "IDR", "id")).toBe("1.250.000");
    expect(typed("1250000", "IDR", "en")).toBe("1,250,000");
    expect(typed("0050", "IDR", "id")).toBe("50");
    expect(typed("1250,5", "USD", "id")).toBe("1.250,5");
  });

  it("never makes a hundred times as much of typed cents", () => {
    expect(parseAmount(typed("1250000,00", "IDR", "id"), "IDR", "id")).toEqual({ units: 1_250_000 });
    expect(parseAmount(typed("1250000.00", "IDR", "en"), "IDR", "en")).toEqual({ units: 1_250_000 });
    expect(parseAmount(typed("12.50", "USD", "en"), "USD", "en")).toEqual({ units: 1_250 });
  });

  it("keeps the caret where it was", () => {
    expect(regroup("1.2350.000", 4, "IDR", "id")).toEqual({ text: "12.350.000", caret: 4 });
    expect(regroup("250.000", 0, "IDR", "id").caret).toBe(0);
    expect(regroup("1250", 4, "IDR", "id")).toEqual({ text: "1.250", caret: 5 });
  });
});

// The whole story of one person, as they would live it.

import { readFileSync } from "node:fs";
import { PASSWORD, expect, test } from "./bank";
import { formatMoney, type Language } from "../src/money/money";

test("from registering to deleting the account @story", async ({ page, bank, words, locale }) => {
  const language = (locale?.startsWith("en") ? "en" : "id") as Language;
  const rupiah = (units: number) => formatMoney(units, "IDR", language);
  const balance = async (units: number) => expect(page.getByTestId("balance")).toHaveText(rupiah(units).replace("\u00a0", ""));
  const budi = await bank.someone("Budi Santoso");

  await page.goto("/");
  await expect(page).toHaveURL(/\/sign-in$/);
  await expect(page.locator("html")).toHaveAttribute("lang", language);
  await expect(page.getByRole("button", { name: "john@example.com" })).toBeVisible();
  await page.getByRole("link", { name: words.auth.register }).click();
  await page.getByLabel(words.auth.name).fill("Ani Putri");
  await page.getByLabel(words.auth.email, { exact: true }).fill(`ani${Math.random().toString(36).slice(2)}@example.com`);
  await page.getByLabel(words.auth.phone).fill("081298765432");
  await page.getByLabel(words.auth.password).fill("short");
  await page.getByRole("button", { name: words.auth.register }).click();
  await expect(page.getByText(words.problem.short)).toBeVisible();
  await page.getByLabel(words.auth.password).fill(PASSWORD);
  await page.getByRole("button", { name: words.auth.register }).click();

  await page.getByRole("link", { name: words.wallet.openIn.replace("{currency}", "IDR") }).click();
  await page.getByRole("button", { name: words.wallet.openIn.replace("{currency}", "IDR") }).click();
  await balance(0);

  // Pasted as people copy it.
  await page.getByRole("link", { name: words.act.topup }).click();
  const amount = page.getByLabel(words.move.amount);
  await amount.evaluate((field) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", "Rp 1.250.000,00");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  });
  await page.getByRole("button", { name: words.act.continue }).click();
  await page.getByRole("button", { name: words.move.confirmTopup.replace("{amount}", rupiah(1_250_000)) }).click();
  await expect(page.getByRole("heading", { name: words.outcome.doneTopup })).toBeVisible();
  await page.getByRole("link", { name: words.outcome.home }).click();
  await balance(1_250_000);

  await page.getByRole("link", { name: words.act.pay, exact: true }).click();
  await page.getByLabel(words.move.merchant).fill("=HYPERLINK(1)");
  await page.getByLabel(words.move.amount).pressSequentially("9999999");
  await expect(page.getByText(words.amountProblem.over.replace("{amount}", rupiah(1_250_000)))).toBeVisible();
  await page.getByLabel(words.move.amount).fill("");
  await page.getByLabel(words.move.amount).pressSequentially("37500");
  await page.getByRole("button", { name: words.act.continue }).click();
  const sheet = page.getByRole("dialog");
  await expect(sheet.getByText(rupiah(1_212_500))).toBeVisible();
  await sheet.getByRole("button", { name: words.move.confirmPay.replace("{amount}", rupiah(37_500)) }).click();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  await page.getByRole("link", { name: words.outcome.receipt }).click();
  await expect(page.getByText(words.receipt.ok)).toBeVisible();

  await page.goto("/send");
  await page.getByLabel(words.move.recipient).fill("999999");
  await page.getByLabel(words.move.amount).fill("1");
  await page.getByText(words.move.choose).click();
  await page.getByLabel(words.move.search).fill("budi san");
  await page.getByRole("button", { name: "Budi Santoso" }).first().click();
  await page.getByLabel(words.move.recipient).fill(String(budi.id));
  await page.getByLabel(words.move.amount).fill("");
  await page.getByLabel(words.move.amount).pressSequentially("12500");
  await page.getByRole("button", { name: words.act.continue }).click();
  await page.getByRole("button", { name: words.move.confirmTransfer.replace("{amount}", rupiah(12_500)) }).click();
  await expect(page.getByRole("heading", { name: words.outcome.doneTransfer })).toBeVisible();
  expect(await bank.balance(budi)).toBe(1_012_500);
  await page.getByRole("link", { name: words.outcome.home }).click();
  await balance(1_200_000);

  await page.getByRole("button", { name: words.home.hide }).click();
  await expect(page.getByTestId("balance")).toContainText(words.home.hidden);
  await page.reload();
  await expect(page.getByTestId("balance")).toContainText(words.home.hidden);
  await page.getByRole("button", { name: words.home.show }).click();

  await page.getByRole("link", { name: words.nav.activity }).first().click();
  await page.getByLabel(words.activity.search).fill("37500");
  await expect(page).toHaveURL(/q=37500/);
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(1);
  await page.reload();
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(1);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: words.activity.csv }).click();
  const file = readFileSync((await (await download).path())!, "utf8");
  expect(file.split("\r\n")).toHaveLength(3);
  expect(file).toContain(`"'=HYPERLINK(1)"`);

  await page.getByRole("link", { name: words.nav.statistics }).first().click();
  await expect(page.getByRole("img")).toHaveAttribute("aria-label", new RegExp(rupiah(1_250_000).replace(/\W/g, ".")));
  await page.getByText(words.statistics.table).click();
  await expect(page.getByRole("table")).toContainText(rupiah(-50_000));

  await page.getByRole("link", { name: words.nav.profile }).first().click();
  await page.getByLabel(words.auth.name).fill("Ani P.");
  await page.getByRole("button", { name: words.act.save }).click();
  await expect(page.getByText(words.profile.saved)).toBeVisible();
  await page.getByText(words.profile.dark, { exact: true }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByRole("button", { name: words.profile.delete }).click();
  const warning = page.getByRole("dialog");
  await expect(warning.getByText(rupiah(1_200_000))).toBeVisible();
  await expect(warning.getByRole("button", { name: words.profile.delete })).toBeDisabled();
  await warning.getByRole("checkbox").check();
  await warning.getByRole("button", { name: words.profile.delete }).click();
  await expect(page.getByText(words.auth.deleted)).toBeVisible();
});

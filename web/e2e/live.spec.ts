// What happens elsewhere is seen at once: a transfer arrives in another browser, also after a gap.

import type { Browser } from "@playwright/test";
import { expect, signIn, test } from "./bank";
import { formatMoney, type Language } from "../src/money/money";

/** Another person's browser, with the same settings. */
async function another(browser: Browser, baseURL: string, locale: string) {
  const context = await browser.newContext({ baseURL, locale });
  return { context, page: await context.newPage() };
}

test("a transfer is seen by its receiver as it arrives", async ({ page, bank, words, browser, baseURL, locale }) => {
  const rupiah = (units: number) => formatMoney(units, "IDR", (locale?.startsWith("en") ? "en" : "id") as Language);
  const [ani, budi] = [await bank.someone("Ani Putri"), await bank.someone("Budi Santoso")];
  await signIn(page, words, budi);
  const balance = page.getByTestId("balance");
  await expect(balance).toContainText(rupiah(1_000_000).replace(/^\D+/, ""));

  const of = await another(browser, baseURL!, locale!);
  await signIn(of.page, words, ani);
  await of.page.goto(`/send?to=${budi.id}&amount=25000`);
  await of.page.getByRole("button", { name: words.act.continue }).click();
  await of.page.getByRole("dialog").getByRole("button", { name: /25[.,]000/ }).click();
  await expect(of.page.getByRole("heading", { name: words.outcome.doneTransfer })).toBeVisible();

  // Nothing was touched on this side.
  const note = page.getByTestId("arrived");
  await expect(note).toContainText(words.live.received.replace("{amount}", rupiah(25_000)));
  await expect(balance).toContainText(rupiah(1_025_000).replace(/^\D+/, ""));
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(2);
  await note.getByRole("link").click();
  await expect(page.getByText(words.receipt.ok)).toBeVisible();
  await expect(note).toHaveCount(0);
  await of.context.close();
});

test("what came while the connection was away is shown when it is back", async ({ page, bank, words, context, allowed }) => {
  allowed.push(/ERR_INTERNET_DISCONNECTED|ERR_FAILED|ERR_NETWORK/);
  const [ani, budi] = [await bank.someone("Ani Putri"), await bank.someone("Budi Santoso")];
  await signIn(page, words, budi);
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(1);
  await context.setOffline(true);
  await expect(page.getByText(words.state.offline)).toBeVisible();
  for (const amount of [1_000, 2_000]) {
    await bank.call("POST", "/payments/transfer", ani.token, { from_wallet_id: ani.walletId, to_user_id: budi.id, amount });
  }
  await context.setOffline(false);
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(3);
  await expect(page.getByTestId("balance")).toContainText(/1[.,]003[.,]000/);
});

// Every page in both themes: axe finds nothing, nothing moves while it loads, nothing is wider than the screen. With SCREENSHOTS=folder
// each is kept as a picture, to be looked at.

import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { ADMIN, expect, signIn, signInAsAdmin, test } from "./bank";

/** The most that Google's Core Web Vitals call good is 0.1. */
const LAYOUT_SHIFT_MAX = 0.05;
const folder = process.env["SCREENSHOTS"];

async function look(page: Page, name: string) {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    // The theme's change itself is no part of the picture.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    if (folder) await page.screenshot({ path: `${folder}/${test.info().project.name}-${name}-${colorScheme}.png`, fullPage: true });
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`), `${name} ${colorScheme}`).toEqual([]);
  }
  const [width, wanted] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
  expect(wanted, `${name} is wider than the screen`).toBeLessThanOrEqual(width!);
}

test("every page can be used by everybody, in both themes", async ({ page, bank, words }) => {
  await page.addInitScript(() => {
    const shifts = { sum: 0 };
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) shifts.sum += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  const settled = async () => {
    // The stream of events never ends, so the network is never idle.
    await page.waitForLoadState("load");
    await expect(page.locator("h1")).toHaveCount(1);
    await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
  };
  const shift = () => page.evaluate(() => (window as unknown as { shifts: { sum: number } }).shifts.sum);
  await page.goto("/sign-in");
  await settled();
  await look(page, "sign-in");
  await page.goto("/register");
  await page.getByRole("button", { name: words.auth.register, exact: true }).click();
  await look(page, "register");

  const [ani, budi] = [await bank.someone(), await bank.someone("Budi Santoso")];
  await bank.call("POST", "/wallets", ani.token, { currency: "USD" });
  for (const merchant of ["Tokopedia", "Kopi Kenangan", "Warung Bu Sri"]) {
    await bank.call("POST", "/payments/pay", ani.token, { wallet_id: ani.walletId, merchant, amount: 37_500 });
  }
  await bank.call("POST", "/payments/transfer", ani.token, { from_wallet_id: ani.walletId, to_user_id: budi.id, amount: 125_000 });
  await bank.call("POST", "/payments/transfer", budi.token, { from_wallet_id: budi.walletId, to_user_id: ani.id, amount: 250_000 });
  await signIn(page, words, ani);
  for (const [name, path] of [
    ["home", "/"],
    ["activity", "/activity"],
    ["activity-filtered", "/activity?type=payment&q=kopi"],
    ["activity-none", "/activity?q=nothing-like-it"],
    ["statistics", "/statistics"],
    ["profile", "/profile"],
    ["new-wallet", "/wallets/new"],
    ["send", `/send?to=${budi.id}&amount=50000`],
    ["pay", "/pay"],
    ["top-up", "/top-up"],
  ] as const) {
    await page.goto(path);
    await settled();
    expect(await shift(), `${name} moves while it loads`).toBeLessThan(LAYOUT_SHIFT_MAX);
    await look(page, name);
  }
  await page.goto("/activity");
  await page.locator("main a[href^='/activity/']").first().click();
  await expect(page.getByText(words.receipt.ok)).toBeVisible();
  await look(page, "receipt");
  await page.goto(`/send?to=${budi.id}&amount=50000`);
  await page.getByRole("button", { name: words.act.continue }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await look(page, "confirm");
  await page.keyboard.press("Escape");
  await page.goto("/profile");
  await page.getByRole("button", { name: words.profile.delete }).click();
  await look(page, "delete");

  await bank.call("PUT", `/wallets/${budi.walletId}/status`, (await bank.call("POST", "/auth/login", undefined, ADMIN)).token, { status: "frozen" });
  await page.goto("/profile");
  await page.getByRole("button", { name: words.profile.signOut, exact: true }).click();
  await expect(page).toHaveURL(/sign-in/);
  await signInAsAdmin(page, words);
  await settled();
  await look(page, "admin");
  await page.goto(`/admin/users?user=${budi.id}`);
  await settled();
  await look(page, "admin-users");
});

// What goes wrong on the way. Whatever it is, the money moves once, and no page says "failed" of what it does not know.

import type { Page } from "@playwright/test";
import { PASSWORD, expect, signIn, test, type Someone } from "./bank";
import type { id } from "../src/i18n/id";

const PAY = "**/api/v1/payments/pay";

async function toSheet(page: Page, words: typeof id) {
  await page.goto("/pay?merchant=Tokopedia&amount=50000");
  await page.getByRole("button", { name: words.act.continue }).click();
  return page.getByRole("dialog").getByRole("button", { name: /50[.,]000/ });
}

async function payments(bank: { call: (...parts: [string, string, string]) => Promise<{ payments: unknown[] }> }, one: Someone) {
  return (await bank.call("GET", "/payments", one.token)).payments.length;
}

test("a double click pays once", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await (await toSheet(page, words)).dblclick();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect([await payments(bank, ani), await bank.balance(ani)]).toEqual([1, 950_000]);
});

test("a lost answer is looked for, and paid once", async ({ page, bank, words, allowed }) => {
  allowed.push(/payments\/pay/, /ERR_CONNECTION_RESET|ERR_FAILED/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const keys: (string | undefined)[] = [];
  let losses = 1;
  await page.route(PAY, async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    // The server gets it and does it; only the answer is lost.
    const answer = await route.fetch();
    if (losses-- > 0) await route.abort("connectionreset");
    else await route.fulfill({ response: answer });
  });
  await (await toSheet(page, words)).click();
  await expect(page.getByRole("heading", { name: words.outcome.unknown })).toBeVisible();
  await expect(page.getByText(words.outcome.refused)).toBeHidden();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  // It was looked up by its key, and not sent again.
  expect(keys).toHaveLength(1);
  expect([await payments(bank, ani), await bank.balance(ani)]).toEqual([1, 950_000]);
});

test("a lost request is looked for, not found, and sent again under its key", async ({ page, bank, words, allowed }) => {
  allowed.push(/payments\/pay/, /ERR_CONNECTION_RESET|ERR_FAILED/, /status of 404/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const keys: (string | undefined)[] = [];
  await page.route(PAY, async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length === 1) await route.abort("connectionreset");
    else await route.continue();
  });
  await (await toSheet(page, words)).click();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(1);
  expect([await payments(bank, ani), await bank.balance(ani)]).toEqual([1, 950_000]);
});

test("a 503 and a 504 are not the end", async ({ page, bank, words, allowed }) => {
  allowed.push(/status of 50[34]/, /status of 404/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const codes = [503, 504];
  await page.route(PAY, async (route) => {
    const status = codes.shift();
    if (status === undefined) return route.continue();
    await route.fulfill({ status, json: { error: "x", code: status === 503 ? "outcome_unknown" : "timeout" } });
  });
  await (await toSheet(page, words)).click();
  await expect(page.getByRole("heading", { name: words.outcome.unknown })).toBeVisible();
  await page.getByRole("button", { name: words.outcome.askNow }).click();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect(await bank.balance(ani)).toBe(950_000);
});

test("a reload in the middle goes on under the same key", async ({ page, bank, words, allowed }) => {
  allowed.push(/payments\/pay/, /ERR_ABORTED|ERR_FAILED/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const keys: (string | undefined)[] = [];
  let isHeld = true;
  await page.route(PAY, async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    const answer = await route.fetch();
    // The first answer never arrives; the page is reloaded before.
    if (!isHeld) await route.fulfill({ response: answer });
  });
  await (await toSheet(page, words)).click();
  await expect.poll(() => bank.balance(ani)).toBe(950_000);
  isHeld = false;
  await page.reload();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect(keys).toHaveLength(1);
  expect([await payments(bank, ani), await bank.balance(ani)]).toEqual([1, 950_000]);
});

test("a session that ends in the middle goes on after signing in", async ({ page, bank, words, context, allowed }) => {
  allowed.push(/status of 401/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  // The stream would find out first, and the page would be gone before the click.
  await page.route("**/api/v1/events", () => {});
  const confirm = await toSheet(page, words);
  // Logged out elsewhere.
  const [cookie] = await context.cookies();
  await bank.call("POST", "/auth/logout", cookie!.value);
  await confirm.click();
  await expect(page.getByText(words.auth.expired)).toBeVisible();
  expect(await bank.balance(ani)).toBe(1_000_000);
  await page.getByLabel(words.auth.email, { exact: true }).fill(ani.email);
  await page.getByLabel(words.auth.password, { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: words.auth.signIn, exact: true }).click();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect(await bank.balance(ani)).toBe(950_000);
});

test("offline, the payment waits and is made once", async ({ page, bank, words, context, allowed }) => {
  allowed.push(/ERR_INTERNET_DISCONNECTED/, /status of 404/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const confirm = await toSheet(page, words);
  await context.setOffline(true);
  await expect(page.getByText(words.state.offline)).toBeVisible();
  await confirm.click();
  await expect(page.getByText(words.outcome.offlineHint)).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect([await payments(bank, ani), await bank.balance(ani)]).toEqual([1, 950_000]);
});

test("a refusal says why, and that nothing moved", async ({ page, bank, words, allowed }) => {
  allowed.push(/status of 400/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const confirm = await toSheet(page, words);
  await bank.call("POST", "/payments/pay", ani.token, { wallet_id: ani.walletId, merchant: "Shopee", amount: 999_999 });
  await confirm.click();
  await expect(page.getByRole("heading", { name: words.outcome.refused })).toBeVisible();
  await expect(page.getByText(words.code.insufficient_balance)).toBeVisible();
  expect(await bank.balance(ani)).toBe(1);
});

test("a limit is told before anything is sent", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await page.route("**/limits", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    const day = { limit: "paid-day", window: "day", direction: "out", kinds: ["payment"], measure: "amount", max: 100_000, used: 60_000, resets_at: "2030-01-01T17:00:00Z" };
    await route.fulfill({ response, json: { ...body, limits: [...body.limits, day] } });
  });
  await page.goto("/pay?merchant=Tokopedia&amount=50000");
  await expect(page.getByText(/40[.,]000.*2030/)).toBeVisible();
  await page.getByRole("button", { name: words.act.continue }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.getByLabel(words.move.amount).fill("40000");
  await page.getByRole("button", { name: words.act.continue }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  expect(await bank.balance(ani)).toBe(1_000_000);
});

test("a frozen wallet says so and offers nothing that it refuses", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  await bank.freeze(ani);
  await signIn(page, words, ani);
  await expect(page.getByText(words.wallet.frozenHint)).toBeVisible();
  await expect(page.getByRole("link", { name: words.act.send, exact: true })).toHaveCount(0);
});

test("a service that is away is said to be away, and can be asked again", async ({ page, bank, words, allowed }) => {
  allowed.push(/status of 503/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await page.route("**/api/v1/transactions?*", (route) => route.fulfill({ status: 503, json: { error: "Service unavailable", code: "unavailable" } }));
  await page.goto("/activity");
  await expect(page.getByText(words.state.away)).toBeVisible();
  await page.unroute("**/api/v1/transactions?*");
  await page.getByRole("button", { name: words.act.retry }).click();
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(1);
});

test("history without the ledger says that the newest may be missing", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await page.route("**/api/v1/transactions?*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), "x-data-behind": "true" } });
  });
  await page.goto("/activity");
  await expect(page.getByText(words.activity.behind)).toBeVisible();
  await expect(page.locator("main a[href^='/activity/']")).toHaveCount(1);
});

test("a receipt that does not prove what it shows is said to be wrong", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await page.route("**/receipt", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    body.transaction.amount = 9_000_000;
    await route.fulfill({ response, json: body });
  });
  await page.locator("main a[href^='/activity/']").first().click();
  await expect(page.getByText(words.receipt.bad, { exact: true })).toBeVisible();
});

test("a movement confirmed long ago is not sent again by itself", async ({ page, bank, words, allowed }) => {
  allowed.push(/status of 404/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await toSheet(page, words);
  await page.evaluate((owner) => {
    const place = `dompet.movement.${owner}`;
    const kept = JSON.parse(sessionStorage.getItem(place)!);
    sessionStorage.setItem(place, JSON.stringify({ ...kept, confirmedAt: Date.now() - 3_600_000 }));
  }, ani.id);
  await page.goto("/outcome");
  await expect(page.getByRole("heading", { name: words.outcome.old })).toBeVisible();
  expect(await bank.balance(ani)).toBe(1_000_000);
  await page.getByRole("button", { name: words.outcome.askNow }).click();
  await expect(page.getByRole("heading", { name: words.outcome.donePay })).toBeVisible();
  expect(await bank.balance(ani)).toBe(950_000);
});

// The back office: who may see it, what it shows, and what an administrator does there.

import { readFileSync } from "node:fs";
import { expect, signIn, signInAsAdmin, test } from "./bank";

test("an administrator finds a user, and freezes and unfreezes a wallet", async ({ page, bank, words }) => {
  const name = `=cmd|${Math.random().toString(36).slice(2, 8)}`;
  const ani = await bank.someone(name);
  await signInAsAdmin(page, words);
  await expect(page.getByText(words.admin.allWell)).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "wallet-service" })).toContainText(words.admin.healthy);

  await page.getByLabel(words.admin.search).fill(ani.email.toUpperCase());
  await page.getByRole("button", { name: words.admin.find }).click();
  await expect(page.getByRole("row")).toHaveCount(2);
  // The address says what is looked at: it can be sent to a colleague.
  await page.getByRole("link", { name }).click();
  await expect(page).toHaveURL(new RegExp(`q=.*user=${ani.id}`));
  await page.reload();
  const card = page.getByRole("region", { name: words.admin.user });
  await expect(card.getByText(ani.email)).toBeVisible();

  await card.getByRole("button", { name: words.admin.freezeOf.replace("{id}", String(ani.walletId)) }).click();
  await page.getByRole("dialog").getByRole("button", { name: words.admin.freeze, exact: true }).click();
  await expect(card.getByText(words.admin.status.frozen, { exact: true })).toBeVisible();
  await expect(bank.call("POST", "/payments/pay", ani.token, { wallet_id: ani.walletId, merchant: "x", amount: 1 })).rejects.toThrow("wallet_not_active");
  await card.getByRole("button", { name: words.admin.unfreezeOf.replace("{id}", String(ani.walletId)) }).click();
  await page.getByRole("dialog").getByRole("button", { name: words.admin.unfreeze, exact: true }).click();
  await expect(card.getByText(words.admin.status.active, { exact: true })).toBeVisible();
  await bank.call("POST", "/payments/pay", ani.token, { wallet_id: ani.walletId, merchant: "x", amount: 1 });

  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: words.activity.csv }).click();
  const file = readFileSync((await (await download).path())!, "utf8");
  expect(file.split("\r\n")).toHaveLength(3);
  expect(file).toContain(`"'${name}"`);

  await card.getByRole("button", { name: words.admin.endAll }).click();
  await expect(card.getByText(words.admin.noSessions)).toBeVisible();
  await expect(card.getByRole("button", { name: words.admin.endAll })).toBeDisabled();
  await expect.poll(() => bank.call("GET", "/users/verify", ani.token).then(() => "good", () => "over")).toBe("over");

  await page.goto("/admin/users?q=nobody-is-called-that");
  await expect(page.getByText(words.activity.none)).toBeVisible();
  await expect(page.getByRole("button", { name: words.activity.csv })).toBeDisabled();
  await expect(page.getByText(words.admin.nothingToExport)).toBeVisible();
});

test("what cannot be done says why", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  await bank.call("DELETE", `/users/${ani.id}`, ani.token);
  await signInAsAdmin(page, words);
  const me = await bank.call("POST", "/auth/login", undefined, { email: "admin@example.com", password: "not-a-secret" });
  await page.goto(`/admin/users?user=${me.user.id}`);
  await expect(page.getByText(words.admin.ownSessions)).toBeVisible();
  await expect(page.getByText(words.admin.noWallet)).toBeVisible();
});

test("the back office is nobody else's", async ({ page, bank, words }) => {
  const ani = await bank.someone();
  const chunks: string[] = [];
  page.on("request", (request) => /Page-/.test(request.url()) && chunks.push(request.url()));
  await signIn(page, words, ani);
  await expect(page.getByRole("link", { name: words.admin.title })).toHaveCount(0);
  await page.goto("/admin/users");
  await expect(page.getByTestId("balance")).toBeVisible();
  // Not even its code was loaded.
  expect(chunks).toEqual([]);
  await expect(bank.call("GET", `/admin/wallets?user_id=${ani.id}`, ani.token)).rejects.toThrow("403");
});

test("a service that is away is seen, and no answer at all too", async ({ page, words, allowed }) => {
  allowed.push(/status of 503/, /ERR_FAILED|ERR_CONNECTION/);
  await signInAsAdmin(page, words);
  await page.route("**/health", (route) =>
    route.fulfill({ status: 503, json: { service: "api-gateway", status: "degraded", services: { "user-service": "healthy", "wallet-service": "unreachable" } } }),
  );
  await expect(page.getByText(words.admin.someBad.replace("{count}", "1"))).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "wallet-service" })).toContainText(words.admin.unreachable);
  await page.unroute("**/health");
  await page.route("**/health", (route) => route.abort());
  await expect(page.getByText(words.admin.asOf.split("{")[0]!)).toBeVisible({ timeout: 30_000 });
});

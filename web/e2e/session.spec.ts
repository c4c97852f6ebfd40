// The session of the browser: no script can take it, no other origin can use it, and tabs agree on who is signed in.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PASSWORD, expect, signIn, test } from "./bank";

test("a script that got into the page finds no token", async ({ page, bank, words, context, allowed }) => {
  allowed.push(/status of 40[01]/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const [cookie, ...others] = await context.cookies();
  expect(others).toEqual([]);
  expect([cookie!.httpOnly, cookie!.sameSite]).toEqual([true, "Strict"]);
  // Everything that a script can read, and what the server answers to it.
  const loot = await page.evaluate(async () => {
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify(Object.entries(store)));
    const databases = JSON.stringify(await indexedDB.databases());
    const answers: string[] = [];
    for (const path of ["/api/v1/users/verify", "/api/v1/auth/login", "/api/v1/config", "/"]) {
      for (const header of [{}, { "dompet-session": "any" }, { "dompet-session": "cookie" }] as Record<string, string>[]) {
        const answer = await fetch(path, { headers: header, method: path.endsWith("login") ? "POST" : "GET" });
        answers.push(JSON.stringify([...answer.headers]), await answer.text());
      }
    }
    return [document.cookie, document.documentElement.outerHTML, databases, ...stores, ...answers].join("\n");
  });
  expect(loot).toContain(ani.email);
  expect(loot).not.toContain(cookie!.value);
  expect(loot).not.toContain(cookie!.value.split(".")[2]);
  expect(loot).not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+/);
});

test("no other origin can act with the session", async ({ page, bank, words, context }) => {
  const [ani, budi] = [await bank.someone(), await bank.someone("Budi")];
  await signIn(page, words, ani);
  const order = JSON.stringify({ from_wallet_id: ani.walletId, to_user_id: budi.id, amount: 999 });
  const server = createServer((_, answer) => answer.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>x</title>"));
  await new Promise<void>((resolve) => server.listen(0, () => resolve()));
  const { port } = server.address() as AddressInfo;
  // Another port is the same site and gets the cookie sent along; another name is another site.
  for (const origin of [`http://localhost:${port}`, `http://127.0.0.1:${port}`]) {
    const attacker = await context.newPage();
    await attacker.goto(origin);
    const outcomes = await attacker.evaluate(
      async ({ url, order, id }) => {
        const tries: [string, RequestInit][] = [
          ["simple", { method: "POST", body: order, headers: { "content-type": "text/plain" } }],
          ["json", { method: "POST", body: order, headers: { "content-type": "application/json" } }],
          ["header", { method: "POST", body: order, headers: { "content-type": "application/json", "dompet-session": String(id) } }],
          ["read", { headers: { "dompet-session": "any" } }],
          ["opaque", { method: "POST", body: order, mode: "no-cors" }],
        ];
        const seen: string[] = [];
        for (const [name, init] of tries) {
          const path = name === "read" ? "/api/v1/users/verify" : "/api/v1/payments/transfer";
          try {
            const answer = await fetch(url + path, { ...init, credentials: "include" });
            seen.push(`${name} ${answer.type} ${answer.status}`);
          } catch {
            seen.push(`${name} blocked`);
          }
        }
        const form = document.createElement("form");
        Object.assign(form, { action: `${url}/api/v1/payments/transfer`, method: "post", enctype: "text/plain", target: "frame" });
        const field = document.createElement("input");
        [field.name, field.value] = [order.slice(0, -1) + ',"x":"', '"}'];
        const frame = document.createElement("iframe");
        frame.name = "frame";
        form.append(field);
        document.body.append(frame, form);
        const loaded = new Promise((resolve) => (frame.onload = resolve));
        form.submit();
        await loaded;
        return seen;
      },
      { url: bank.url, order, id: ani.id },
    );
    expect(outcomes, origin).toEqual(["simple blocked", "json blocked", "header blocked", "read blocked", "opaque opaque 0"]);
    await attacker.close();
  }
  await new Promise((resolve) => server.close(resolve));
  expect(await bank.balance(ani)).toBe(1_000_000);
  // The page itself goes on.
  await page.reload();
  await expect(page.getByTestId("balance")).toBeVisible();
});

test("tabs share the session, and a tab does not act for somebody else", async ({ page, bank, words, context, allowed }) => {
  allowed.push(/status of 401/);
  const [ani, budi] = [await bank.someone(), await bank.someone("Budi Santoso")];
  await signIn(page, words, ani);
  const second = await context.newPage();
  await second.goto("/profile");
  await expect(second.getByText(ani.email)).toBeVisible();
  // Signed in as another: the first tab leaves.
  await second.getByRole("button", { name: words.profile.signOut, exact: true }).click();
  await expect(second).toHaveURL(/sign-in/);
  await expect(page).toHaveURL(/sign-in/);
  await signIn(second, words, budi);
  await page.goto("/");
  await expect(page.getByTestId("balance")).toBeVisible();
  // A tab that was not told: it says whom it means, and is refused.
  const answer = await page.evaluate(
    async ({ id, order }) => {
      const init = { method: "POST", headers: { "content-type": "application/json", "dompet-session": String(id) }, body: order };
      const got = await fetch("/api/v1/payments/transfer", init);
      return [got.status, (await got.json()).code];
    },
    { id: ani.id, order: JSON.stringify({ from_wallet_id: budi.walletId, to_user_id: ani.id, amount: 1 }) },
  );
  expect(answer).toEqual([401, "session_changed"]);
  await second.close();
});

test("after signing out the browser has nothing left", async ({ page, bank, words, context, allowed }) => {
  allowed.push(/status of (401|503|504)/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  const [cookie] = await context.cookies();
  await page.goto("/profile");
  await page.getByRole("button", { name: words.profile.signOut, exact: true }).click();
  await expect(page).toHaveURL(/sign-in/);
  expect(await context.cookies()).toEqual([]);
  expect(await page.evaluate(() => [sessionStorage.getItem("dompet.user"), localStorage.getItem("dompet.signed-in")])).toEqual([null, null]);
  await expect(bank.call("GET", "/users/verify", cookie!.value)).rejects.toThrow("401");
  // The log-in of programs is as it was.
  expect(await bank.call("POST", "/auth/login", undefined, { email: ani.email, password: PASSWORD })).toHaveProperty("token");
});

test("a password is changed, and other sessions are seen and ended", async ({ page, bank, words, allowed }) => {
  allowed.push(/status of 40[013]/);
  const ani = await bank.someone();
  await signIn(page, words, ani);
  await page.goto("/profile");
  // The one of `someone`, and this one.
  const others = page.locator("li").getByRole("button");
  await expect(page.getByText(words.security.here)).toBeVisible();
  await expect(others).toHaveCount(1);
  await others.first().click();
  await expect(others).toHaveCount(0);
  await expect.poll(() => bank.call("GET", "/users/verify", ani.token).then(() => "good", () => "over")).toBe("over");

  const change = async (old: string, next: string) => {
    await page.getByLabel(words.security.old).fill(old);
    await page.getByLabel(words.security.new).fill(next);
    await page.getByRole("button", { name: words.security.change }).click();
  };
  await change("not it, at all", "another long password");
  await expect(page.getByText(words.code.wrong_password)).toBeVisible();
  await change(PASSWORD, "password1");
  await expect(page.getByText(words.code.weak_password)).toBeVisible();
  await change(PASSWORD, "short");
  await expect(page.getByText(words.problem.short)).toBeVisible();
  await change(PASSWORD, "another long password");
  await expect(page.getByText(words.security.changed)).toBeVisible();
  // This session goes on.
  await page.goto("/");
  await expect(page.getByTestId("balance")).toBeVisible();
  await expect(bank.call("POST", "/auth/login", undefined, { email: ani.email, password: PASSWORD })).rejects.toThrow("401");
});

// Drives page.html, which behaves as the original system's page, in Chromium against a wallet with demo data: from another origin through
// the gateway, from another origin at each service's own port, and opened as a file. An error in the console, or a request that fails, makes
// it fail.
//
//   node tests/original/page.mjs <gateway> <user> <wallet> <transaction> <payment>      addresses, such as http://localhost:5000
//
// PLAYWRIGHT is the folder of playwright-core, CHROMIUM the browser's program.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const PAGE = new URL("page.html", import.meta.url);
const STEP_LIMIT_MS = 15_000;

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT ?? "playwright-core");
const [gateway, user, wallet, transaction, payment] = process.argv.slice(2);

const server = createServer((request, response) => {
  // Browsers ask for an icon by themselves.
  const found = request.url.split("?")[0] === "/";
  response.writeHead(found ? 200 : 204, { "Content-Type": "text/html; charset=utf-8" }).end(found ? readFileSync(PAGE) : "");
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://localhost:${server.address().port}/`;

const through = (addresses) => `?${new URLSearchParams(addresses)}`;
const doors = {
  "another origin, through the gateway": origin + through({ api: `${gateway}/api` }),
  "another origin, at each service's port": origin + through({ auth: user, users: user, wallets: wallet, transactions: transaction, payments: payment }),
  "a file, through the gateway": PAGE.href + through({ api: `${gateway}/api/v1` }),
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // A container's root has no sandbox; nothing but this page is loaded.
  args: ["--no-sandbox"],
});
const rupiah = (amount) => `Rp ${amount.toLocaleString("id-ID")}`;
const number = (text) => Number(text.replaceAll(/\D/g, ""));

let failed = 0;
for (const [door, address] of Object.entries(doors)) {
  const page = await (await browser.newContext({ locale: "id-ID", timezoneId: "Asia/Jakarta" })).newPage();
  page.setDefaultTimeout(STEP_LIMIT_MS);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`an exception: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("requestfailed", (request) => complaints.push(`${request.method()} ${request.url()} failed: ${request.failure().errorText}`));
  try {
    await story(page, address, complaints);
    if (complaints.length) throw new Error(complaints.join("\n"));
    console.log(`as expected from ${door}`);
  } catch (error) {
    failed += 1;
    console.error(`from ${door}: ${error.message}\n${complaints.join("\n")}`);
  }
  await page.context().close();
}
await browser.close();
server.close();
process.exitCode = failed ? 1 : 0;

async function story(page, address, complaints) {
  const text = (id) => page.locator(`#${id}`).textContent();
  const says = (id, expected) => page.locator(`#${id}`, { hasText: expected }).waitFor();
  const submit = async (form, fields) => {
    for (const [name, value] of Object.entries(fields)) await page.fill(`#${form} [name=${name}]`, String(value));
    await page.click(`#${form} button`);
  };
  /** A refusal is shown by its `error`. The browser writes the status into its console, and nothing else. */
  const refused = async (status, sentence) => {
    await says("error", sentence);
    const wrong = complaints.splice(0).filter((complaint) => !complaint.includes(`the server responded with a status of ${status}`));
    if (wrong.length) throw new Error(wrong.join("\n"));
  };

  await page.goto(address);
  await submit("login", { email: "john@example.com", password: "wrong" });
  await refused(401, "Invalid credentials");

  // Jane's figures: she only tops up and pays here, so what the page shows as net is what she has.
  await submit("login", { email: "jane@example.com", password: "password123" });
  await says("notice", "Selamat datang!");
  if ((await text("net_amount")) !== (await text("balance"))) throw new Error("Jane's net amount is not her balance");
  await page.click("#logout");

  await submit("login", { email: "john@example.com", password: "password123" });
  await says("notice", "Selamat datang!");
  const before = number(await text("balance"));
  await submit("topup", { amount: 150_000 });
  await says("notice", "Top up berhasil!");
  await says("balance", rupiah(before + 150_000));
  await submit("pay", { merchant: "Warung ☕", amount: 75_000 });
  await says("notice", "Pembayaran berhasil!");
  await says("balance", rupiah(before + 75_000));
  const newest = await page.locator("#history li").first().textContent();
  const now = new Date().toLocaleDateString("id-ID", { timeZone: "Asia/Jakarta" });
  if (!newest.startsWith(`-${rupiah(75_000)} Payment to Warung ☕ (${now}`)) throw new Error(`the history begins with: ${newest}`);
  await submit("pay", { merchant: "Tokopedia", amount: 900_000_000 });
  await refused(400, "Insufficient balance");
  await submit("topup", { amount: 0 });
  await refused(400, "Invalid amount");
  await submit("profile", { name: "John Doe", phone: "081234567890" });
  await says("notice", "Profil disimpan!");
  await page.reload();
  await says("name", "John Doe");
  await says("balance", rupiah(before + 75_000));

  await page.click("#logout");
  await submit("register", { name: "Baru", email: `baru-${randomUUID()}@example.com`, phone: "0812", password: "password123", confirm_password: "password123" });
  await says("notice", "Selamat datang!");
  await submit("topup", { amount: 10_000 });
  await says("notice", "Top up berhasil!");
  // To Bob, so that Jane's figures stay as they are.
  await submit("transfer", { to_user_id: 3, amount: 4_000 });
  await says("notice", "Transfer berhasil!");
  await says("balance", rupiah(6_000));
  await says("net_amount", rupiah(6_000));
}

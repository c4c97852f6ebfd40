// The real program on free ports of this machine and a folder of its own, and a browser page whose errors fail the test.

import { test as base, expect, type Page } from "@playwright/test";
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { en } from "../src/i18n/en";
import { id } from "../src/i18n/id";

const START_LIMIT_MS = 60_000;
const PORTS = ["GATEWAY_PORT", "USER_SERVICE_PORT", "WALLET_SERVICE_PORT", "TRANSACTION_SERVICE_PORT", "PAYMENT_SERVICE_PORT"];
const target = process.env["CARGO_TARGET_DIR"] ?? new URL("../../target", import.meta.url).pathname;
export const PASSWORD = "correct horse";
export const ADMIN = { email: "admin@example.com", password: "not-a-secret" };

export class Bank {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Bank> {
    const ports = await freePorts(PORTS.length);
    const folder = mkdtempSync(join(tmpdir(), "dompet-web-"));
    const env = {
      PATH: process.env["PATH"],
      DATA_DIR: folder,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      ...Object.fromEntries(PORTS.map((name, index) => [name, String(ports[index])])),
    };
    const log = openSync(join(folder, "log"), "w");
    const child = spawn(join(target, "debug/dompet"), { env, stdio: ["ignore", log, log] });
    closeSync(log);
    const bank = new Bank(`http://localhost:${ports[0]}`, child, folder);
    const deadline = Date.now() + START_LIMIT_MS;
    while (!(await fetch(`${bank.url}/readyz`).then((answer) => answer.ok, () => false))) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error("the program did not start");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return bank;
  }

  async stop(): Promise<void> {
    // The program has no reason to end before it is told to.
    const { exitCode, signalCode } = this.process;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    if (this.process.kill("SIGTERM")) await ended;
    const log = readFileSync(join(this.folder, "log"), "utf8");
    rmSync(this.folder, { recursive: true, force: true });
    if (exitCode !== null || signalCode !== null) throw new Error(`the program ended by itself: ${exitCode ?? signalCode}\n${log}`);
  }

  /** Calls the API, as a program would. */
  async call(method: string, path: string, token?: string, body?: unknown): Promise<any> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (token) headers["authorization"] = `Bearer ${token}`;
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}/api/v1${path}`, init);
    const text = await answer.text();
    const result = text === "" ? null : JSON.parse(text);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(result)}`);
    return result;
  }

  /** A user of this test alone, with a wallet that holds a million rupiah. */
  async someone(name = "Ani Putri"): Promise<Someone> {
    const email = `u${Math.random().toString(36).slice(2)}@example.com`;
    const { token, user } = await this.call("POST", "/auth/register", undefined, { name, email, phone: "081298765432", password: PASSWORD });
    const { wallet } = await this.call("POST", "/wallets", token, {});
    await this.call("POST", `/wallets/${wallet.id}/topup`, token, { amount: 1_000_000 });
    return { id: user.id, name, email, token, walletId: wallet.id };
  }

  async balance(one: Someone): Promise<number> {
    return (await this.call("GET", `/wallets/${one.walletId}`, one.token)).wallet.balance;
  }

  async freeze(one: Someone): Promise<void> {
    const { token } = await this.call("POST", "/auth/login", undefined, ADMIN);
    await this.call("PUT", `/wallets/${one.walletId}/status`, token, { status: "frozen" });
  }
}

export interface Someone {
  id: number;
  name: string;
  email: string;
  token: string;
  walletId: number;
}

interface Fixtures {
  /** The messages of the page's language. */
  words: typeof id;
  /** Console errors and failed requests that this test means to cause. */
  allowed: RegExp[];
}

export const test = base.extend<Fixtures, { bank: Bank }>({
  bank: [
    async ({}, use) => {
      const bank = await Bank.start();
      await use(bank);
      await bank.stop();
    },
    { scope: "worker", timeout: START_LIMIT_MS },
  ],
  baseURL: async ({ bank }, use) => use(bank.url),
  words: async ({ locale }, use) => use(locale?.startsWith("en") ? en : id),
  allowed: async ({}, use) => use([]),
  page: async ({ page, allowed, bank }, use) => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(`page error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") problems.push(`console: ${message.text()}`);
    });
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText;
      // What is under way when a test goes to another address is given up by the browser.
      if (why !== "net::ERR_ABORTED") problems.push(`failed: ${request.url()} ${why}`);
    });
    page.on("request", (request) => {
      const isOurs = request.url().startsWith(bank.url) || /^(blob|data):/.test(request.url());
      if (!isOurs) problems.push(`elsewhere: ${request.url()}`);
    });
    await use(page);
    expect(problems.filter((problem) => !allowed.some((known) => known.test(problem)))).toEqual([]);
  },
});

export { expect };

export async function signIn(page: Page, words: typeof id, one: { email: string }): Promise<void> {
  await fillIn(page, words, one.email, PASSWORD);
  await expect(page.getByTestId("balance")).toBeVisible();
}

export async function signInAsAdmin(page: Page, words: typeof id): Promise<void> {
  await fillIn(page, words, ADMIN.email, ADMIN.password);
  // On a phone and on a desk there is one each.
  await page.getByRole("link", { name: words.admin.title }).filter({ visible: true }).click();
  await expect(page.getByRole("heading", { name: words.admin.overview, level: 1 })).toBeVisible();
}

async function fillIn(page: Page, words: typeof id, email: string, password: string): Promise<void> {
  await page.goto("/sign-in");
  await page.getByLabel(words.auth.email, { exact: true }).fill(email);
  await page.getByLabel(words.auth.password, { exact: true }).fill(password);
  await page.getByRole("button", { name: words.auth.signIn, exact: true }).click();
}

/** Ports that nobody listens on; all are held until the last is found, so they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
    })),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

// How the pages come: small, under a strict policy, and without a way for text to become a script.

import { expect, signIn, test } from "./bank";

const FIRST_LOAD_BYTES_MAX = 200_000;

test("the first load is small", async ({ page }) => {
  const sizes: number[] = [];
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  client.on("Network.loadingFinished", ({ encodedDataLength }) => sizes.push(encodedDataLength));
  await page.goto("/", { waitUntil: "networkidle" });
  const sum = sizes.reduce((total, size) => total + size, 0);
  expect(sum).toBeGreaterThan(20_000);
  expect(sum).toBeLessThan(FIRST_LOAD_BYTES_MAX);
});

test("no script that somebody puts into a page runs, and nothing is sent elsewhere", async ({ page, bank, words, allowed }) => {
  allowed.push(/Content Security Policy|Content-Security-Policy|TrustedHTML|TrustedScript|violates|elsewhere.example|ERR_/);
  const ani = await bank.someone(`<img src=x onerror="window.hit=1"><script>window.hit=1</script>`);
  await signIn(page, words, ani);
  await bank.call("POST", "/payments/pay", ani.token, { wallet_id: ani.walletId, merchant: `<img src=x onerror="window.hit=1">`, amount: 5 });
  await page.reload();
  await expect(page.getByText("<img src=x").first()).toBeVisible();
  const tries = await page.evaluate(async () => {
    const tried = { inline: false, markup: "", fetched: "" };
    const script = document.createElement("script");
    try {
      script.text = "window.hit = 1";
      document.head.append(script);
      tried.inline = "hit" in window;
    } catch {
      // Trusted types refuse it already.
    }
    try {
      document.body.innerHTML += "<p>x</p>";
      tried.markup = "written";
    } catch (error) {
      tried.markup = (error as Error).name;
    }
    tried.fetched = await fetch("https://elsewhere.example/", { mode: "no-cors" }).then(() => "sent", () => "refused");
    return tried;
  });
  expect(tries).toEqual({ inline: false, markup: "TypeError", fetched: "refused" });
  expect(await page.evaluate(() => "hit" in window)).toBe(false);
});

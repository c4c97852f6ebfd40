import { defineConfig } from "@playwright/test";

const launch = {
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  // Chromium's own sandbox does not work for root; its background services would call addresses of their own.
  args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync"],
};
const desk = { width: 1280, height: 860 };
const phone = { width: 390, height: 844 };

export default defineConfig({
  testDir: "e2e",
  outputDir: process.env["E2E_OUTPUT"] ?? "test-results",
  // The machines that run this have few cores, and share them.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: "list",
  use: { launchOptions: launch, timezoneId: "Asia/Jakarta", trace: "retain-on-failure" },
  projects: [
    { name: "phone-id", use: { viewport: phone, hasTouch: true, isMobile: true, locale: "id-ID" } },
    { name: "desk-en", use: { viewport: desk, locale: "en-GB" } },
    // What does not depend on the size is tried once; the story in the other two pairs of size and language.
    { name: "phone-en", grep: /@story/, use: { viewport: phone, hasTouch: true, isMobile: true, locale: "en-GB" } },
    { name: "desk-id", grep: /@story/, use: { viewport: desk, locale: "id-ID" } },
  ],
});

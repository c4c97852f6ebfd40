import { expect, it } from "vitest";
import { pathAbove } from "../src/base";

it("finds where a proxy has the pages", () => {
  expect(pathAbove("https://bank.example/assets/index-1.js")).toBe("/");
  expect(pathAbove("https://bank.example/wallet/assets/index-1.js")).toBe("/wallet/");
  expect(pathAbove("http://localhost:5173/src/base.ts")).toBe("/");
});

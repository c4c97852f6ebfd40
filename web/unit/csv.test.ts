import { expect, it } from "vitest";
import { toCsv } from "../src/activity/csv";

const cellOf = (text: string) => toCsv([[text]]).slice(1, -2);

it("makes cells harmless that a spreadsheet would run", () => {
  for (const text of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1+1", "\uff1d1"]) {
    expect(cellOf(text), text).toBe(`"'${text}"`);
  }
  expect(cellOf('=HYPERLINK("http://x")')).toBe(`"'=HYPERLINK(""http://x"")"`);
});

it("quotes what RFC 4180 says, and leaves the rest", () => {
  expect(cellOf("Tokopedia")).toBe("Tokopedia");
  expect(cellOf('a "b", c\nd')).toBe('"a ""b"", c\nd"');
  expect(toCsv([["a", 1], ["b", -2]])).toBe("\ufeffa,1\r\nb,-2\r\n");
});

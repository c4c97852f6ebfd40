// A table as CSV (RFC 4180) that a spreadsheet opens without running anything in it.

/** A cell that begins like this is a formula to a spreadsheet (OWASP, CSV injection). */
const FORMULA = /^[=+\-@\t\r\u2212\uff1d\uff0b\uff0d\uff20]/;

export type Cell = string | number;

/** The table as text, with the mark by which spreadsheets know that it is UTF-8. */
export function toCsv(rows: readonly (readonly Cell[])[]): string {
  return "\ufeff" + rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value: Cell): string {
  if (typeof value === "number") return value.toString();
  const harmless = FORMULA.test(value.trimStart()) || FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) || harmless !== value ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** Hands the text to the browser as a file. */
export function download(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}

// What the server asks of a person's fields, so that most mistakes are shown before anything is sent. The server decides.

import * as v from "valibot";

const NAME_CHARS_MAX = 200;
const EMAIL_CHARS_MAX = 254;
const PHONE_CHARS_MAX = 32;
const PASSWORD_CHARS_MIN = 8;
const PASSWORD_CHARS_MAX = 1024;

// The messages are keys below `problem`.
const text = (max: number) => v.pipe(v.string(), v.trim(), v.nonEmpty("required"), v.maxLength(max, "long"));

const person = { name: text(NAME_CHARS_MAX), phone: text(PHONE_CHARS_MAX) };

export const profile = v.object(person);
export const registration = v.object({
  ...person,
  email: v.pipe(text(EMAIL_CHARS_MAX), v.regex(/^[^\s@]+@[^\s@]+$/, "email")),
  password: v.pipe(v.string(), v.minLength(PASSWORD_CHARS_MIN, "short"), v.maxLength(PASSWORD_CHARS_MAX, "long")),
});

export const passwords = v.object({
  old: v.pipe(v.string(), v.nonEmpty("required")),
  next: v.pipe(v.string(), v.minLength(PASSWORD_CHARS_MIN, "short"), v.maxLength(PASSWORD_CHARS_MAX, "long")),
});

/** The first problem of each field. */
export function problems(schema: v.GenericSchema, value: unknown): Record<string, string> {
  const result = v.safeParse(schema, value);
  const found: Record<string, string> = {};
  for (const issue of result.issues ?? []) {
    const field = String(issue.path?.[0]?.key ?? "");
    found[field] ??= issue.message;
  }
  return found;
}

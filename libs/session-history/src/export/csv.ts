/** A value of a table: text, a number, or nothing. */
export type CsvValue = string | number | null;

/**
 * What a spreadsheet would take for a formula, and what already begins with the mark. Blanks in front do not help, nor does the wide form
 * of the signs.
 */
const DANGEROUS = /^[\s\u0000]*['=+\-@\uFF07\uFF1D\uFF0B\uFF0D\uFF20|%]|^[\t\r\n]/;
const NEEDS_QUOTES = /[",;\r\n\t]|^$|^\s|\s$/;

/**
 * One line of CSV (RFC 4180, CRLF).
 *
 * Text that a spreadsheet could run gets an apostrophe in front, and so does text that begins with one: a reader that takes one leading
 * apostrophe away has every value unchanged. Nothing is an empty field, empty text is `""`.
 */
export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map(field).join(',')}\r\n`;
}

function field(value: CsvValue): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = DANGEROUS.test(value) ? `'${value}` : value;
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

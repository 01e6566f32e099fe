import { COLUMN_NAMES, type SessionRow } from '../model/row.js';

/** Columns that hold JSON already: they stand in the line as what they are. */
const JSONS: ReadonlySet<keyof SessionRow> = new Set(['groups', 'metadata', 'limits'] as const);
const NAMES = COLUMN_NAMES.map((name) => ({ label: `${JSON.stringify(name)}:`, isJson: JSONS.has(name) }));

/** One row as a line of JSON, from its values in the order of the table. */
export function jsonLine(values: readonly (string | number | null)[]): string {
  const members = NAMES.map(({ label, isJson }, at) => {
    const value = values[at] ?? null;
    return label + (isJson && value !== null ? String(value) : JSON.stringify(value));
  });
  return `{${members.join(',')}}\n`;
}

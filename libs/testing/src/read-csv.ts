import { parse } from 'csv-parse/sync';

/** A CSV text as another program reads it: an empty field is null, all others are text without the apostrophe that Berth puts before formulas. */
export function readCsv(text: string): (string | null)[][] {
  return parse(text, {
    record_delimiter: '\r\n',
    relax_column_count: true,
    cast: (value, { quoting }) => (value === '' && !quoting ? null : value.replace(/^'/, '')),
  });
}

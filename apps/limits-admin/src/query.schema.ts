import { z } from 'zod';

import { readWholeNumber } from '#session-core';

const MAX_PAGE_SIZE = 1_000;
const DEFAULT_PAGE_SIZE = 50;

/** A whole number in a query. An empty value, as forms send it, counts as absent. */
function queryNumber(min: number, max: number, absent: number) {
  const expected = { error: () => `must be a whole number from ${min} to ${max}` };
  const read = (value: unknown) => {
    if (value === '') return absent;
    return typeof value === 'string' ? (readWholeNumber(value) ?? value) : value;
  };
  return z.preprocess(read, z.int(expected).min(min, expected).max(max, expected)).default(absent);
}

export const pageNumber = () => queryNumber(1, 1_000_000_000, 1).describe('From 1');
export const pageSize = (absent = DEFAULT_PAGE_SIZE) =>
  queryNumber(1, MAX_PAGE_SIZE, absent).describe('The most on one page');

/** A user in a path, in any form that names it. */
export const writtenUser = () => z.string().describe('A user in any form: alice, or a SIP address of alice');
export const userPath = z.object({ username: writtenUser() });

const MAX_CURSOR_BYTES = 2_048;

/** Where a page goes on. */
export const cursorText = (maxBytes = MAX_CURSOR_BYTES) =>
  queryText(maxBytes).describe('The nextCursor of the page before; absent for the first');

/** Text in a query, up to so many bytes of UTF-8; undefined where it is absent or empty. */
export function queryText(maxBytes: number) {
  const expected = { error: () => `must be given once, with at most ${maxBytes} bytes` };
  return z
    .string(expected)
    .refine((value) => Buffer.byteLength(value) <= maxBytes, expected)
    .transform((value) => (value === '' ? undefined : value))
    .optional();
}

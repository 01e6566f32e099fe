import { InvalidInputError } from '#session-core';

import { SORTS, type Sort } from './filter.js';

/** Where a page ended: the next begins after it. It holds no row, only what the order needs. */
export interface Cursor {
  sort: Sort;
  descending: boolean;
  value: string | number;
  start: string;
  id: string;
}

const MAX_LENGTH = 2_000;

/** A cursor as text for URLs. */
export function writeCursor({ sort, descending, value, start, id }: Cursor): string {
  return Buffer.from(JSON.stringify([1, sort, descending ? 1 : 0, value, start, id])).toString('base64url');
}

/** Throws InvalidInputError for text that is no cursor. */
export function readCursor(text: string): Cursor {
  const [version, sort, descending, value, start, id] = listIn(text);
  const known = version === 1 && typeof sort === 'string' && Object.hasOwn(SORTS, sort);
  if (!known || (descending !== 0 && descending !== 1) || !isText(start) || !isText(id)) throw malformed();
  const fits = NUMBERS.has(sort as Sort) ? Number.isSafeInteger(value) : isText(value);
  if (!fits) throw malformed();
  return { sort: sort as Sort, descending: descending === 1, value: value as string | number, start, id };
}

const NUMBERS: ReadonlySet<Sort> = new Set(['duration_seconds', 'bytes_sent', 'bytes_received']);

/** A NUL is refused by PostgreSQL, with an error that says nothing to the caller. */
const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');

function listIn(text: string): unknown[] {
  if (text.length > MAX_LENGTH || !/^[\w-]+$/.test(text)) throw malformed();
  try {
    const list = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown;
    if (Array.isArray(list)) return list;
  } catch {
    // refused below
  }
  throw malformed();
}

const malformed = () => new InvalidInputError('cursor', 'must be the nextCursor of an earlier page');

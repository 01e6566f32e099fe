import { z } from 'zod';

import { readWholeNumber } from '#session-core';
import { STATUSES, type Sort } from '#session-history';
import { group, host, ipAddress, sessionId, text } from '#session-wire';

import { cursorText, pageNumber, pageSize, queryText } from '../../query.schema.js';

const MAX_PAGE_SIZE = 1_000;
/** A user may come as an address, which `canonicalUser` bounds. */
const MAX_WRITTEN_USER_BYTES = 8_192;
const MAX_WRITTEN_DURATION_BYTES = 32;
const MAX_NODE_BYTES = 128;
const MAX_EXPORT_CURSOR_BYTES = 64;
const MAX_CORRELATION_ID_BYTES = 256;

/** The columns that rows can be sorted by, in the names of the answer and of the table. */
const SORTS = {
  start_time: 'start_time',
  end_time: 'end_time',
  duration_seconds: 'duration_seconds',
  duration_secs: 'duration_seconds',
  bytes_sent: 'bytes_sent',
  bytes_received: 'bytes_received',
  user: 'user',
  status: 'status',
  dest_ip: 'dest_ip',
} as const satisfies Record<Sort | 'duration_secs', Sort>;
const SORT_NAMES = Object.keys(SORTS) as (keyof typeof SORTS)[];

const FORMATS = ['csv', 'jsonl'] as const;
const PEAK_SCOPES = ['total', 'user', 'group'] as const;

/** As forms send what nobody filled in. */
const emptyIsAbsent = (value: unknown) => (value === '' ? undefined : value);

function maybe<T extends z.ZodType>(schema: T) {
  return z.preprocess(emptyIsAbsent, schema.optional()).optional();
}

function oneOf<const T extends readonly string[]>(words: T) {
  return z.enum(words, { error: () => `must be one of ${words.join(', ')}` });
}

const readNumber = (value: unknown) => (typeof value === 'string' ? (readWholeNumber(value) ?? value) : value);

function wholeNumber(message: string, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  const expected = { error: () => message };
  return z.preprocess(readNumber, z.int(expected).min(min, expected).max(max, expected));
}

/** How far back; what is out of range is refused where the retention is known. */
const hours = () => maybe(wholeNumber('must be a whole number of hours')).describe('How far back, hours');
const timeRange = () =>
  queryText(MAX_WRITTEN_DURATION_BYTES).describe('How far back: seconds, or written as 15m, 2h, 7d');
const upToMax = () => maybe(wholeNumber(`must be a whole number from 1 to ${MAX_PAGE_SIZE}`, 1, MAX_PAGE_SIZE));
const user = () => queryText(MAX_WRITTEN_USER_BYTES).describe('Only of this user, written in any way that names it');

/**
 * A query of these parameters alone: a misspelt filter, left out, would answer a question that nobody asked. Each of the others is refused
 * under its own name, so that none is in what is parsed.
 */
function only<T extends z.ZodRawShape>(shape: T): z.ZodObject<T> {
  const message = `is not known here; known are ${Object.keys(shape).join(', ')}`;
  return z.object(shape).catchall(z.unknown().refine(() => false, message));
}

/** The last millisecond that RFC 3339 can write. */
const LAST_MS = 253_402_300_799_999;
const TIME = 'must be a time as RFC 3339 has it, such as 2026-11-21T00:00:00Z; in a query + is written %2B';

/** A time, milliseconds. What is finer counts as the next one: of rows with milliseconds the same are before it. */
const moment = () =>
  maybe(
    z.iso
      .datetime({ offset: true, error: () => TIME })
      .transform((written) => Math.min(Date.parse(written) + (isFiner(written) ? 1 : 0), LAST_MS)),
  );
const isFiner = (written: string) => /\.\d{3}\d*[1-9]/.test(written);

const span = {
  hours: hours(),
  timeRange: timeRange(),
  from: moment().describe('What began at this time or later, RFC 3339'),
  to: moment().describe('What began before this time, RFC 3339'),
};
const facts = {
  session_id: maybe(sessionId()).describe('Of this session, all its attempts'),
  source_ip: maybe(ipAddress()).describe('From this address, in any spelling'),
  node: maybe(text(MAX_NODE_BYTES)).describe('On this node; of a refusal the one that asked'),
  group: maybe(group()).describe('Of this group (kind:name); of refusals those whose limit of this group was full'),
  correlation_id: maybe(text(MAX_CORRELATION_ID_BYTES)).describe('With this correlationId'),
};
const rows = {
  dest_ip: maybe(host()).describe('The host of the destination, without a port'),
  status: maybe(oneOf(STATUSES)),
  ...facts,
  ...span,
};
const users = { user: user(), username: user() };
const paging = {
  page: pageNumber(),
  page_size: upToMax(),
  limit: upToMax(),
  sort_by: maybe(oneOf(SORT_NAMES).transform((name): Sort => SORTS[name])),
  sort_dir: maybe(oneOf(['asc', 'desc'])),
  cursor: cursorText(),
};
const window = { window_hours: hours(), timeRange: timeRange() };

export const historyQuery = only({ ...users, ...rows, ...paging });
export const userHistoryQuery = only({ ...rows, ...paging });
export const exportQuery = only({
  format: z.preprocess((value) => (value === '' ? 'csv' : value), oneOf(FORMATS)).default('csv'),
  cursor: queryText(MAX_EXPORT_CURSOR_BYTES).describe(
    'begin, or the Berth-Cursor of the export before: what is over, in the order in which it came into history',
  ),
  ...users,
  ...rows,
});
export const violationsQuery = only({ ...facts, ...span, page: pageNumber(), limit: pageSize() });
export const statsQuery = only(window);
export const peaksQuery = only({
  scope: z.preprocess((value) => (value === '' ? 'total' : value), oneOf(PEAK_SCOPES)).default('total'),
  name: user().describe('Whose: a user, or a group (kind:name)'),
  top: upToMax(),
  ...window,
});
export const trafficQuery = only({ user: user(), ...window });

/** Which rows are asked for. */
export type Asked = Omit<z.output<typeof exportQuery>, 'format' | 'cursor'>;
/** Which page of them. */
export type AskedPage = z.output<typeof userHistoryQuery>;

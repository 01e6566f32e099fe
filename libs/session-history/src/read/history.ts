import { InvalidInputError } from '#session-core';
import { sql, type RawBuilder } from 'kysely';

import type { FullLimit } from '../model/event.js';
import type { SessionRow } from '../model/row.js';
import type { Database, Store } from '../store/store.js';
import { readCursor, writeCursor, type Cursor } from './cursor.js';
import {
  rowFilter,
  selectionOf,
  SORTS,
  type HistoryFilter,
  type RowFilter,
  type Selection,
  type Sort,
} from './filter.js';
import { countOf, placeOf } from './place.js';

export const MAX_PAGE_SIZE = 1_000;
/** More rows than this are sorted by their start alone: another order would mean reading them all, with everybody waiting. */
export const MAX_SORTED_ROWS = 50_000;

export interface HistoryQuery extends HistoryFilter {
  /** From 1. With a cursor it is not looked at. */
  page?: number | undefined;
  pageSize?: number | undefined;
  sortBy?: Sort | undefined;
  sortDir?: 'asc' | 'desc' | undefined;
  /** The `nextCursor` of the page before; it carries the order, the filter is given again. */
  cursor?: string | undefined;
}

export interface HistoryPage {
  rows: SessionRow[];
  total: number;
  page: number;
  pageSize: number;
  totalPages: number;
  /** Where the next page begins, whatever is written meanwhile; null at the end. */
  nextCursor: string | null;
}

/**
 * A page of sessions and refusals, newest first by default. Pages by number shift when rows come in between; by cursor each row that was
 * there is seen exactly once.
 *
 * Throws InvalidInputError for a page size above 1,000, a malformed cursor, or an order by something else than the start for more than
 * 50,000 rows.
 */
export async function historyPage(store: Store, tenant: string, query: HistoryQuery): Promise<HistoryPage> {
  const { page = 1, pageSize = 50 } = query;
  if (!Number.isSafeInteger(page) || page < 1) throw new InvalidInputError('page', 'must be a whole number from 1');
  if (!Number.isSafeInteger(pageSize) || pageSize < 1 || pageSize > MAX_PAGE_SIZE) {
    throw new InvalidInputError('page_size', `must be a whole number from 1 to ${MAX_PAGE_SIZE}`);
  }
  const cursor = query.cursor === undefined ? null : readCursor(query.cursor);
  const order = cursor ?? { sort: query.sortBy ?? 'start_time', descending: query.sortDir !== 'asc' };
  const filter = rowFilter(store, query);
  return await store.read(async (db) => {
    const total = await countOf(db, tenant, filter);
    if (order.sort !== 'start_time' && total > MAX_SORTED_ROWS) {
      throw new InvalidInputError(
        'sort_by',
        `must be start_time for ${total} rows; narrow the filter to ${MAX_SORTED_ROWS}`,
      );
    }
    const rows = cursor
      ? await rowsAfter(db, tenant, filter, cursor, pageSize)
      : await rowsOnPage(db, tenant, filter, order, pageSize, (page - 1) * pageSize, total);
    const last = rows.length < pageSize ? undefined : rows.at(-1);
    const nextCursor = last ? writeCursor(cursorAt(last, order)) : null;
    return { rows, total, page, pageSize, totalPages: Math.ceil(total / pageSize), nextCursor };
  });
}

type Order = Pick<Cursor, 'sort' | 'descending'>;

async function rowsOnPage(
  db: Database,
  tenant: string,
  filter: RowFilter,
  order: Order,
  limit: number,
  offset: number,
  total: number,
): Promise<SessionRow[]> {
  if (offset >= total) return [];
  const selection = selectionOf(tenant, filter);
  if (order.sort !== 'start_time') return await select(db, selection, order, limit, offset);
  const place = await placeOf(db, tenant, filter, offset, order.descending);
  if (place === null) return [];
  return await select(db, place.bound ? narrowed(selection, place.bound) : selection, order, limit, place.offset);
}

async function rowsAfter(db: Database, tenant: string, filter: RowFilter, cursor: Cursor, limit: number) {
  const { sort, descending, value, start, id } = cursor;
  const than = sql.raw(descending ? '<' : '>');
  // The first comparison says nothing new; it is what an index can use.
  const bound = sort === 'start_time' ? sql`start_time ${sql.raw(descending ? '<=' : '>=')} ${start} and` : sql``;
  const after = sql`${bound} (${sql.raw(SORTS[sort])}, start_time, session_id) ${than} (${value}, ${start}, ${id})`;
  return await select(db, narrowed(selectionOf(tenant, filter), after), cursor, limit, 0);
}

const narrowed = ({ from, where }: Selection, by: RawBuilder<unknown>): Selection => ({
  from,
  where: sql<boolean>`${where} and ${by}`,
});

async function select(
  db: Database,
  { from, where }: Selection,
  { sort, descending }: Order,
  limit: number,
  offset: number,
): Promise<SessionRow[]> {
  const direction = sql.raw(descending ? 'desc' : 'asc');
  const first = sort === 'start_time' ? sql`` : sql`${sql.raw(SORTS[sort])} ${direction},`;
  const { rows } = await sql<SessionRow>`select * from ${from} where ${where}
    order by ${first} start_time ${direction}, session_id ${direction} limit ${limit} offset ${offset}`.execute(db);
  return rows;
}

function cursorAt(row: SessionRow, { sort, descending }: Order): Cursor {
  const { session_id: id, start_time: start, end_time, duration_secs } = row;
  const value = {
    start_time: start,
    end_time: end_time ?? '',
    duration_seconds: duration_secs ?? -1,
    bytes_sent: row.bytes_sent,
    bytes_received: row.bytes_received,
    user: row.user,
    status: row.status,
    dest_ip: row.dest_ip,
  }[sort];
  return { sort, descending, value, start, id };
}

/** A refusal by limits. */
export interface Violation {
  atMs: number;
  user: string;
  /** Null where it stands for several refusals of that second. */
  sessionId: string | null;
  count: number;
  limits: FullLimit[];
}

export interface ViolationPage extends Omit<HistoryPage, 'rows'> {
  violations: Violation[];
}

/** A page of refusals by limits, newest first; a page of history in other words. */
export async function violationPage(
  store: Store,
  tenant: string,
  query: Omit<HistoryQuery, 'status' | 'sortBy' | 'sortDir'>,
): Promise<ViolationPage> {
  const { rows, ...page } = await historyPage(store, tenant, { ...query, status: 'rejected_by_limit' });
  return { ...page, violations: rows.map(violation) };
}

function violation(row: SessionRow): Violation {
  return {
    atMs: Date.parse(row.start_time),
    user: row.user,
    sessionId: row.session_id === row.event_id ? null : row.session_id,
    count: row.refusals,
    limits: JSON.parse(row.limits ?? '[]') as FullLimit[],
  };
}

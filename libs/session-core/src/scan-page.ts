import type { StoreClient } from './scripts/script.js';

/** Where a page ended: a cursor of ZSCAN, or the last id of a page in order of ids; with both, only ids after it are new. */
export interface ScanPosition {
  cursor: string | null;
  after: string | null;
}

export interface ScannedPage {
  ids: string[];
  next: ScanPosition | null;
}

/** Up to so many members a sorted set is read whole and paged by id: exact, and about 0.3 ms of Redis. */
const READ_WHOLE = 1000;

/**
 * A page of the members of a sorted set whose scores move under the reader, so that paging by score would lose some.
 * Small sets are paged by id. Large ones by ZSCAN, which returns every member that was there all the time
 * (https://redis.io/docs/latest/commands/scan/#scan-guarantees), some perhaps twice, and about as many as asked for.
 */
export async function scanPage(
  client: StoreClient,
  key: string,
  position: ScanPosition | null,
  limit: number,
): Promise<ScannedPage> {
  const after = position?.after ?? null;
  const isNew = (id: string) => after === null || id > after;
  if ((position === null || position.cursor === null) && (await client.zcard(key)) <= READ_WHOLE) {
    const ids = (await client.zrange(key, '0', '-1')).filter(isNew).toSorted();
    const page = ids.slice(0, limit);
    return { ids: page, next: page.length < ids.length ? { cursor: null, after: page.at(-1) ?? null } : null };
  }
  const [cursor, flat] = await client.zscan(key, position?.cursor ?? '0', 'COUNT', limit);
  const ids = flat.filter((_, i) => i % 2 === 0).filter(isNew);
  return { ids, next: cursor === '0' ? null : { cursor, after } };
}

import type { StoreClient } from './scripts/script.js';

/** Carries one command out under its deadline. */
export type ReadOnce = <T>(call: () => Promise<T>) => Promise<T>;

/** What can be scanned member by member. */
export interface Index {
  key: string;
  type: 'zset' | 'set';
}

/** Members asked for at once: about 0.4 ms of Redis. */
const PER_SCAN = 500;

/** The members of an index, piece by piece: each that is there all the time at least once, whatever comes and goes meanwhile. */
export async function* scanned(
  client: StoreClient,
  { key, type }: Index,
  read: ReadOnce,
): AsyncGenerator<string[], void> {
  let cursor = '0';
  do {
    const from = cursor;
    if (type === 'set') {
      const [next, members] = await read(async () => await client.sscan(key, from, 'COUNT', PER_SCAN));
      cursor = next;
      yield members;
    } else {
      const [next, flat] = await read(async () => await client.zscan(key, from, 'COUNT', PER_SCAN));
      cursor = next;
      yield flat.filter((_, i) => i % 2 === 0);
    }
  } while (cursor !== '0');
}

/** The members of a sorted set with their scores, each once: those that match the pattern. */
export async function scoresOf(
  client: StoreClient,
  key: string,
  read: ReadOnce,
  pattern: string,
): Promise<Map<string, number>> {
  const scores = new Map<string, number>();
  let cursor = '0';
  do {
    const from = cursor;
    const [next, flat] = await read(async () => await client.zscan(key, from, 'MATCH', pattern, 'COUNT', PER_SCAN));
    cursor = next;
    for (let i = 0; i + 1 < flat.length; i += 2) scores.set(flat[i] ?? '', Number(flat[i + 1]));
  } while (cursor !== '0');
  return scores;
}

/**
 * The first `limit` members after one, in the order of text, and whether there are more. The place of a member does not depend on what its score is or
 * who else is there, so that pages lose and repeat nobody; the price is a look at the whole index for each page.
 */
export async function smallestAfter(
  client: StoreClient,
  index: Index,
  after: string | null,
  limit: number,
  read: ReadOnce,
): Promise<{ ids: string[]; more: boolean }> {
  const most = limit + 1;
  let smallest: string[] = [];
  const found = new Set<string>();
  const settle = () => {
    smallest = [...found].toSorted().slice(0, most);
    found.clear();
    for (const id of smallest) found.add(id);
  };
  for await (const members of scanned(client, index, read)) {
    const last = smallest.length === most ? smallest.at(-1) : undefined;
    for (const id of members) {
      if ((after === null || id > after) && (last === undefined || id < last)) found.add(id);
    }
    if (found.size > 2 * most) settle();
  }
  settle();
  return { ids: smallest.slice(0, limit), more: smallest.length > limit };
}

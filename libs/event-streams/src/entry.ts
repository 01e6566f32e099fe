/** One event of a stream, as a handler gets it. */
export interface StreamEntry {
  stream: string;
  /** The entry's id in the stream, `<ms>-<sequence>`. */
  streamId: string;
  /** When the stream took it, milliseconds of the Redis clock: the first half of `streamId`. */
  atMs: number;
  /** How often it was delivered to this group, this time included, by the server's count. */
  deliveries: number;
  /** All its fields, `v`, `id` and `type` among them. Of a name that stands twice the last value counts. */
  fields: Record<string, string>;
}

/** What became of an entry. A `retry` is delivered again later, and ends as a dead letter after `maxDeliveries`. */
export type EntryResult = 'done' | { retry: string } | { deadLetter: string };

/** An entry as the server sends it: its id and its fields, which are null when the entry was trimmed away while it was pending. */
export type RawEntry = [streamId: string, fields: string[] | null];

export function toEntry(stream: string, streamId: string, flat: readonly string[], deliveries: number): StreamEntry {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return { stream, streamId, atMs: timeOf(streamId), deliveries, fields: Object.fromEntries(pairs) };
}

/** Milliseconds of the Redis clock at which a stream took an entry. */
export function timeOf(streamId: string): number {
  return Number(streamId.slice(0, streamId.indexOf('-')));
}

/**
 * The entries of an XREADGROUP reply by stream. The reply is a list of pairs in RESP2 and, as ioredis flattens the map of RESP3,
 * one list of names and entries in turn; null when nothing came.
 */
export function readReply(reply: unknown): [stream: string, entries: RawEntry[]][] {
  if (reply === null) return [];
  const list = reply as unknown[];
  if (Array.isArray(list[0])) return list as [string, RawEntry[]][];
  const pairs: [string, RawEntry[]][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i] as string, list[i + 1] as RawEntry[]]);
  return pairs;
}

import type { RedisClient } from '#basics';

import { timeOf } from './entry.js';
import { loadScript } from './script.js';

const script = loadScript('group-lag');

type Reply = [
  unread: number,
  exact: number,
  pending: number,
  oldestUnread: string,
  oldestPending: string,
  now: string,
  known: string,
];

/** How far a group is behind its stream. */
export interface GroupLag {
  /** What the group still has to do: `unread` and `pending` together. */
  entries: number;
  /** Not yet delivered to the group. */
  unread: number;
  /** Delivered and not acknowledged. */
  pending: number;
  /** False where Redis cannot say how many are unread (7.0, after deletions, above 100): `unread` is then the length, an upper bound. */
  exact: boolean;
  /** How long ago, by the Redis clock, the oldest unread entry was added; null when nothing is unread. */
  oldestUnreadAgeMs: number | null;
  /** The same of the oldest entry that is not done, unread or pending; null when all is done. */
  oldestAgeMs: number | null;
  /**
   * Every entry that was added before that time, by the Redis clock, is done; or it was trimmed away unread, and so is the mark of that. Earlier than
   * it might be where the stream begins with what is unread.
   */
  doneUntilMs: number;
}

/** The lag of a group in one stream; null when the stream or the group is not there. Rejects with what ioredis rejects with. */
export async function groupLag(client: RedisClient, stream: string, group: string): Promise<GroupLag | null> {
  const reply = (await script.runForText(client, [stream], [group])) as Reply | [];
  if (reply.length === 0) return null;
  const [unread, exact, pending, oldestUnread, oldestPending, now, known] = reply;
  const ages = [oldestUnread, oldestPending].map((id) => ageOf(id, Number(now)));
  const [oldestUnreadAgeMs = null] = ages;
  const oldestAgeMs = ages.reduce((oldest, age) => (age === null || (oldest ?? 0) > age ? oldest : age), null);
  const doneUntilMs = Math.min(Number(now), ...[known, oldestPending].filter((id) => id !== '').map(timeOf));
  return {
    entries: unread + pending,
    unread,
    pending,
    exact: exact === 1,
    oldestUnreadAgeMs,
    oldestAgeMs,
    doneUntilMs,
  };
}

/**
 * The age of the oldest entry of these streams that the group has not done, milliseconds; 0 where it has done all. What a consumer has read
 * counts as well: it may be in hand, wait to be tried again, or its consumer may be dead. Rejects with what ioredis rejects with.
 */
export async function groupBehindMs(client: RedisClient, streams: readonly string[], group: string): Promise<number> {
  const lags = await Promise.all(streams.map((stream) => groupLag(client, stream, group)));
  return Math.max(0, ...lags.map((lag) => lag?.oldestAgeMs ?? 0));
}

/** A clock that stepped back makes no entry younger than new. */
function ageOf(id: string, nowMs: number): number | null {
  return id === '' ? null : Math.max(0, nowMs - timeOf(id));
}

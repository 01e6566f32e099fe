import type { RedisClient } from './connection.js';
import { timeOf } from './entry.js';
import { Script } from './script.js';

const script = new Script('group-lag');

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
}

/** The lag of a group in one stream; null when the stream or the group is not there. Rejects with what ioredis rejects with. */
export async function groupLag(client: RedisClient, stream: string, group: string): Promise<GroupLag | null> {
  const reply = (await script.run(client, [stream], [group])) as [number, number, number, string, string] | [];
  if (reply.length === 0) return null;
  const [unread, exact, pending, oldest, now] = reply;
  // A clock that stepped back makes no entry younger than new.
  const oldestUnreadAgeMs = oldest === '' ? null : Math.max(0, Number(now) - timeOf(oldest));
  return { entries: unread + pending, unread, pending, exact: exact === 1, oldestUnreadAgeMs };
}

import type { RedisClient } from '#basics';

import { InvalidOptionsError } from './errors.js';
import { groupsKey } from './keys.js';
import { teller, type GroupLoss, type StreamsObserver } from './observer.js';
import { loadScript } from './script.js';

const script = loadScript('trim');

type Reply = [behind: number, cut: number, more: number, agedOut: string[], losses: (string | number)[], short: number];

export interface TrimOptions {
  /** A registered group that was not seen for so long holds nothing back any more, milliseconds. */
  groupAgeMs: number;
  /** The hard bound: above it the oldest entries go, even those that a group still needs. */
  maxLength: number;
  /** So many of the newest entries stay for readers without a group, up to a node of the stream (100) more; 0 by default. */
  keepLength?: number;
  /**
   * Above this share of the maxmemory of Redis, full memory being near, which would refuse all writes: entries that no registered group
   * needs go, down to none, whatever `keepLength` says; if that does not suffice, the oldest that are still needed go as by the bound,
   * down to `keepLength`. Not looked at unless set, nor where INFO may not be asked.
   */
  memoryShare?: number;
  /**
   * Fields (`type` among them) of an entry that each cut which takes something from a group appends in the same step, with `from` and `to`
   * (ms, between which all that the group did not get was added) and `entries` (of this cut): readers learn of the gap. None by default.
   */
  mark?: Readonly<Record<string, string>>;
  observer?: Partial<StreamsObserver>;
}

export interface Trimmed {
  /** Entries that every registered group was done with. */
  behind: number;
  /** Entries that the hard bound cut. */
  cut: number;
  /** What the cut took from registered groups. */
  losses: GroupLoss[];
  /** Whether entries had to go because memory was short. */
  short: boolean;
  /** Groups that were forgotten. */
  agedOut: string[];
}

/**
 * Trims a stream behind the slowest registered group, never an entry that is unread or pending there; above `maxLength` it cuts
 * all the same, and counts what that took from each group. A stream that no group is registered at is held to the hard bound alone.
 *
 * Any number of callers at once. Calls the observer's `trimmed`, `groupsAgedOut` and, as an alarm, `boundReached`. Rejects with what
 * ioredis rejects with, once the observer knows what was done until then.
 */
export async function trimStream(client: RedisClient, stream: string, options: TrimOptions): Promise<Trimmed> {
  const { groupAgeMs, maxLength, keepLength = 0, memoryShare = 0, mark = {}, observer = {} } = options;
  if (!(maxLength >= 1)) throw new InvalidOptionsError('maxLength must be at least 1');
  const args = [groupAgeMs, Math.floor(maxLength), keepLength, memoryShare, ...Object.entries(mark).flat()];
  const total: Trimmed = { behind: 0, cut: 0, losses: [], short: false, agedOut: [] };
  try {
    for (let more = 1; more === 1;) {
      const reply = await script.runForText(client, [stream, groupsKey(stream)], args);
      const [behind, cut, again, agedOut, losses, short] = reply as Reply;
      total.behind += behind;
      total.cut += cut;
      total.agedOut.push(...agedOut);
      addLosses(total.losses, losses);
      total.short ||= short === 1 && cut > 0;
      more = again;
    }
  } finally {
    report(stream, total, maxLength, observer);
  }
  return total;
}

function addLosses(losses: GroupLoss[], flat: (string | number)[]): void {
  for (let i = 0; i < flat.length; i += 3) {
    const group = String(flat[i]);
    const [unread, pending] = [Number(flat[i + 1]), Number(flat[i + 2])];
    const known = losses.find((loss) => loss.group === group);
    if (known === undefined) losses.push({ group, unread, pending });
    else Object.assign(known, { unread: known.unread + unread, pending: known.pending + pending });
  }
}

function report(stream: string, total: Trimmed, maxLength: number, observer: Partial<StreamsObserver>): void {
  const tell = teller(observer);
  const { behind, cut, losses, short, agedOut } = total;
  if (behind + cut > 0) tell('trimmed', { stream, behind, cut });
  if (losses.length > 0) tell('boundReached', { stream, maxLength, short, losses });
  if (agedOut.length > 0) tell('groupsAgedOut', { stream, groups: agedOut });
}

import type { RedisClient, RedisScript } from '#basics';

import type { Connection } from './connection.js';
import { readReply, toEntry, type RawEntry, type StreamEntry } from './entry.js';
import { messageOf } from './errors.js';
import { groupsKey, slotTag } from './keys.js';
import { loadScript } from './script.js';

const registerScript = loadScript('register-group');
const pruneScript = loadScript('prune-consumers');
const deadLetterScript = loadScript('dead-letter');

/** Entries that came back to this consumer: those that are still in the stream, and the ids of those that were trimmed away. */
export interface Redelivery {
  entries: StreamEntry[];
  lost: string[];
}

export interface GroupMember {
  group: string;
  consumer: string;
}

/** What one consumer of a group does in one stream, a method for each command. They reject with what `Connection.run` rejects with. */
export class GroupStream {
  constructor(
    readonly stream: string,
    private readonly member: GroupMember,
    private readonly commands: Connection,
  ) {}

  /** Makes the group from the beginning of the stream, and the stream if it is not there. True if the group was not there. */
  async create(): Promise<boolean> {
    try {
      await this.call('XGROUP', ['CREATE', this.stream, this.member.group, '0', 'MKSTREAM']);
      return true;
    } catch (error) {
      if (messageOf(error).startsWith('BUSYGROUP')) return false;
      throw error;
    }
  }

  /** A page of this consumer's own pending entries, after an id; it counts as a delivery. */
  async ownPending(after: string, count: number): Promise<Redelivery> {
    const { group, consumer } = this.member;
    const from = ['GROUP', group, consumer, 'COUNT', count, 'STREAMS', this.stream, after];
    const reply = await this.call('XREADGROUP', from);
    const raw = readReply(reply).flatMap(([, entries]) => entries);
    const lost = raw.flatMap(([id, fields]) => (fields === null ? [id] : []));
    return { entries: await this.withDeliveries(raw), lost };
  }

  /**
   * Takes over entries that nobody was heard of for `idleMs`; it counts as a delivery. `next` is where to go on, null at the end.
   * What was trimmed away the server itself has taken off the pending list.
   */
  async claimDead(idleMs: number, from: string, count: number): Promise<Redelivery & { next: string | null }> {
    const { group, consumer } = this.member;
    const reply = await this.call('XAUTOCLAIM', [this.stream, group, consumer, idleMs, from, 'COUNT', count]);
    const [cursor, raw, lost] = reply as [string, RawEntry[], string[]];
    return { entries: await this.withDeliveries(raw), lost, next: cursor === '0-0' ? null : cursor };
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.call('XACK', [this.stream, this.member.group, ...ids]);
  }

  /** Says that these are being worked on: their idle time starts anew, their delivery count stays. */
  async keep(ids: readonly string[]): Promise<void> {
    const { group, consumer } = this.member;
    await this.call('XCLAIM', [this.stream, group, consumer, 0, ...ids, 'JUSTID']);
  }

  /** Says to the trimmer that this group is alive. */
  async register(): Promise<void> {
    await this.script(registerScript, [groupsKey(this.stream)], [this.member.group]);
  }

  /**
   * Says to the others of the group that this consumer is alive. Redis 7.0 takes no notice of a read that finds nothing new, but of one
   * of pending entries, here of those after the last id that there can be.
   */
  async touch(): Promise<void> {
    await this.ownPending('18446744073709551615-0', 1);
  }

  /** Removes the names of consumers that were silent for `idleMs` and have nothing pending. */
  async prune(idleMs: number): Promise<void> {
    await this.script(pruneScript, [this.stream], [this.member.group, idleMs, '']);
  }

  /**
   * Takes this consumer's name from the group. What it still has pending (at most 1,000 entries; a consumer holds about a batch) counts as idle for
   * `idleMs` then, so that others take it over when they look next; the name stays until they have.
   */
  async leave(idleMs: number): Promise<void> {
    const { group, consumer } = this.member;
    const rows = (await this.call('XPENDING', [this.stream, group, '-', '+', 1_000, consumer])) as [string][];
    const ids = rows.map(([id]) => id);
    if (ids.length > 0) await this.call('XCLAIM', [this.stream, group, consumer, 0, ...ids, 'IDLE', idleMs, 'JUSTID']);
    await this.script(pruneScript, [this.stream], [this.member.group, 0, this.member.consumer]);
  }

  /**
   * Moves an entry to the dead-letter stream: in one step where both streams are in one slot; elsewhere it is written first and
   * acknowledged afterwards, so that a crash between the two writes it again, with the same `dead.key`. False if another consumer had settled the entry.
   */
  async deadLetter(entry: StreamEntry, reason: string, target: string, maxLength: number): Promise<boolean> {
    const fields = deadLetterFields(entry, this.member.group, reason);
    return await this.commands.run(async (client) => {
      if (!client.isCluster || slotTag(target) === slotTag(this.stream)) {
        const args = [this.member.group, entry.streamId, maxLength, ...fields];
        return (await deadLetterScript.run(client, [this.stream, target], args)) === 1;
      }
      await client.call('XADD', [target, 'MAXLEN', '~', maxLength, '*', ...fields]);
      await client.call('XACK', [this.stream, this.member.group, entry.streamId]);
      return true;
    });
  }

  private async withDeliveries(raw: readonly RawEntry[]): Promise<StreamEntry[]> {
    const present = raw.flatMap(([id, fields]) => (fields === null ? [] : [{ id, fields }]));
    if (present.length === 0) return [];
    const rows = await this.commands.run((client) =>
      this.pendingRows(
        client,
        present.map(({ id }) => id),
      ),
    );
    return present.map(({ id, fields }, i) => toEntry(this.stream, id, fields, rows[i]?.[3] ?? 1));
  }

  /** Id, consumer, idle time and delivery count of each; undefined for what is no longer pending. */
  private pendingRows(client: RedisClient, ids: string[]): Promise<([string, string, number, number] | undefined)[]> {
    const ask = async (id: string) => {
      const rows = await client.call('XPENDING', [this.stream, this.member.group, id, id, 1]);
      return (rows as [string, string, number, number][])[0];
    };
    return Promise.all(ids.map(ask));
  }

  private call(command: string, args: (string | number)[]): Promise<unknown> {
    return this.commands.run((client) => client.call(command, args));
  }

  private script(script: RedisScript, keys: string[], args: (string | number)[]): Promise<unknown> {
    return this.commands.run((client) => script.runForText(client, keys, args));
  }
}

const REASON_LENGTH = 256;
/** A Lua script takes some thousands of values; no event has so many fields, so an entry that does is kept in part. */
const MAX_FIELDS = 1_000;
const PREFIX = 'dead.';

/** The entry's own fields, then what happened to it, under names that begin with `dead.`. When: the id that the entry gets. */
function deadLetterFields(entry: StreamEntry, group: string, reason: string): string[] {
  const own = Object.entries(entry.fields).filter(([name]) => !name.startsWith(PREFIX));
  const added = {
    key: `${group}|${entry.stream}|${entry.streamId}`,
    reason: reason.slice(0, REASON_LENGTH),
    stream: entry.stream,
    streamId: entry.streamId,
    group,
    deliveries: String(entry.deliveries),
  };
  return [...own.slice(0, MAX_FIELDS), ...Object.entries(added).map(([name, value]) => [PREFIX + name, value])].flat();
}

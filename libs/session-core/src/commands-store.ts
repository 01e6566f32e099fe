import { DAY_MS } from '#basics';

import { InvalidInputError } from './errors.js';
import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import { Lease } from './lease.js';
import { nodeCheckOf, readCommand, readCommandId, type Command } from './model/command.js';
import { acknowledge } from './scripts/acknowledge.script.js';
import { countCommands } from './scripts/count-commands.script.js';
import { giveUpCommands } from './scripts/give-up-commands.script.js';
import type { ShardContext, StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf, type Tombstones } from './tombstones.js';

export interface CommandsStoreOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  tombstoneMs: Tombstones;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** A node that has commands, and when its latest was given, milliseconds of the Redis clock. */
export interface CommandedNode {
  node: string;
  atMs: number;
}

/** A command that nobody acknowledged is repeated for so long; its tombstone is gone then, too. */
export const COMMAND_LIFE_MS = DAY_MS;

/** Redis takes 0.2 ms for a page of so many. */
const PAGE = 250;
/** Session ids in one call of the script that gives up. */
const GIVE_UP_BATCH = 100;

/**
 * What nodes must still do. Commands are given by the scripts that end sessions; here they are read until their node has
 * acknowledged them. Every method throws StoreUnavailableError when Redis gives no answer within the deadline.
 */
export class CommandsStore {
  constructor(private readonly options: CommandsStoreOptions) {}

  /**
   * All that the node has not acknowledged, page by page, so that one with very many costs neither Redis nor the reader more
   * at a time than one with few. A command that is there from beginning to end is in at least one page.
   */
  async *unacknowledged(tenant: TenantRef, node: string): AsyncGenerator<Command[], void> {
    for (const shard of shardNumbers(tenant)) {
      for await (const fields of this.fieldsOf(tenant, shard, node)) {
        const commands = fields.flatMap(([, json]) => readCommand(shard, node, json) ?? []);
        if (commands.length > 0) yield commands.toSorted(byAge);
      }
    }
  }

  /** The oldest `limit` commands that the node has not acknowledged, oldest first, and whether there are more. */
  async oldest(tenant: TenantRef, node: string, limit: number): Promise<{ commands: Command[]; more: boolean }> {
    let oldest = new Map<string, Command>();
    let more = false;
    for await (const page of this.unacknowledged(tenant, node)) {
      for (const command of page) oldest.set(command.commandId, command);
      if (oldest.size <= limit) continue;
      more = true;
      const kept = [...oldest.values()].toSorted(byAge).slice(0, limit);
      oldest = new Map(kept.map((command) => [command.commandId, command]));
    }
    return { commands: [...oldest.values()].toSorted(byAge), more };
  }

  /**
   * The node has carried the command out, or found nothing to do. `before`: it had ended before, which is as good.
   * `foreign`: it is no command of this node. Throws InvalidInputError for what is no id of a command.
   */
  async acknowledge(tenant: TenantRef, node: string, commandId: string): Promise<'done' | 'before' | 'foreign'> {
    const address = this.addressOf(tenant, node, commandId);
    if (address === null) return 'foreign';
    const tombstoneMs = tombstoneOf(this.options, tenant);
    const context = this.context(tenant, address.shard);
    const reply = await this.call(async () => await acknowledge(context, { ...address, node, tombstoneMs }));
    return reply === 'done' ? 'done' : 'before';
  }

  /** Which session a command of this node is about; null for a command of another one. Throws InvalidInputError. */
  addressOf(tenant: TenantRef, node: string, commandId: string) {
    const address = readCommandId(commandId);
    if (address === null) {
      throw new InvalidInputError('commandId', 'must be the commandId of a command, as it came');
    }
    return address.nodeCheck === nodeCheckOf(node) && address.shard < tenant.shards ? address : null;
  }

  /** The nodes of a shard that were given commands at `sinceMs` or later and have not acknowledged all of them. */
  async commandedSince(tenant: TenantRef, shard: number, sinceMs: number): Promise<CommandedNode[]> {
    const { commanded } = shardKeys(tenant, shard);
    const { client } = this.options;
    const flat = await this.call(
      async () => await client.zrange(commanded, `${sinceMs}`, '+inf', 'BYSCORE', 'WITHSCORES'),
    );
    return flat.flatMap((node, i) => (i % 2 === 0 ? [{ node, atMs: Number(flat[i + 1]) }] : []));
  }

  /** How many commands of the tenant wait for their nodes. */
  async count(tenant: TenantRef): Promise<number> {
    const counts = await Promise.all(
      shardNumbers(tenant).map((shard) => this.call(async () => await countCommands(this.context(tenant, shard)))),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Gives up what the node has not acknowledged in `COMMAND_LIFE_MS`, and returns how much that was. Any number of callers at
   * once: each command is given up once. No call of Redis looks at more than a page.
   */
  async giveUpOld(tenant: TenantRef, shard: number, node: string): Promise<number> {
    const context = this.context(tenant, shard);
    const giveUp = async (ids: string[]) =>
      await this.call(async () => await giveUpCommands(context, node, COMMAND_LIFE_MS, ids));
    let given = 0;
    for await (const fields of this.fieldsOf(tenant, shard, node)) {
      for (let from = 0; from < fields.length; from += GIVE_UP_BATCH) {
        given += await giveUp(fields.slice(from, from + GIVE_UP_BATCH).map(([id]) => id));
      }
    }
    await giveUp([]); // a node whose commands have all expired is still listed
    return given;
  }

  /** Whether `holder` delivers to this node for the next `ms`; one at a time does. Ask again to keep it; 0 gives it back. */
  async leaseDelivery(tenant: TenantRef, node: string, holder: string, ms: number): Promise<boolean> {
    const { client, deadlineMs } = this.options;
    return await new Lease({ client, deadlineMs, holder, key: tenantKeys(tenant.name).commandsLease(node) }).take(ms);
  }

  private async *fieldsOf(tenant: TenantRef, shard: number, node: string): AsyncGenerator<[string, string][], void> {
    const key = shardKeys(tenant, shard).commands(node);
    let cursor = '0';
    do {
      const from = cursor;
      const [next, flat] = await this.call(async () => await this.options.client.hscan(key, from, 'COUNT', PAGE));
      yield flat.flatMap((id, i) => (i % 2 === 0 ? [[id, flat[i + 1] ?? ''] as [string, string]] : []));
      cursor = next;
    } while (cursor !== '0');
  }

  private context(tenant: TenantRef, shard: number): ShardContext {
    return {
      client: this.options.client,
      tenant: tenant.name,
      shards: tenant.shards,
      shard,
      clockMs: this.options.clockMs,
    };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

function byAge(a: Command, b: Command): number {
  return a.atMs - b.atMs || (a.commandId < b.commandId ? -1 : 1);
}

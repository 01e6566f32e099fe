import { readFileSync } from 'node:fs';
import { RedisScript, type RedisClient, type ScriptArgument } from '#basics';
import { shardKeys, tenantKeys, type ShardKeys } from '../keys.js';
import { rulesMark, type BooksIdentity } from '../model/identity/index.js';

/** What the stores are given. */
export type StoreClient = RedisClient;

export type { ScriptArgument };

/** Which shard a script runs in, over which connection. `clockMs` sets the time in tests; nothing else may. */
export interface ShardContext {
  client: StoreClient;
  tenant: string;
  /** How many the tenant has. */
  shards: number;
  shard: number;
  /** As in `TenantRef`. */
  identity?: BooksIdentity | undefined;
  clockMs?: (() => number) | undefined;
}

/** The keys of the shard in which a script runs. */
export function keysOf({ tenant, shards, shard }: Omit<ShardContext, 'client'>): ShardKeys {
  return shardKeys({ name: tenant, shards }, shard);
}

function readLua(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
}

/**
 * Composes a verb: its flags line, the prelude, then the verb with what it includes in place. Constants of the prelude
 * (`-- @const NAME value`) are written into the text.
 */
function composeScript(name: string, preludeName: 'prelude' | 'tenant-prelude'): string {
  const [flags, ...verb] = readLua(name).split('\n');
  const prelude = readLua(preludeName);
  const text = withIncludes([flags, prelude, ...verb].join('\n'));
  const constants = [...prelude.matchAll(/^-- @const (\w+) (.+)$/gm)];
  return constants.reduce(
    (composed, [, word = '', value = '']) => composed.replaceAll(new RegExp(`\\b${word}\\b(?!')`, 'g'), value),
    text,
  );
}

function withIncludes(text: string): string {
  return text.replaceAll(/^-- @include (\S+)$/gm, (_, part: string) => withIncludes(readLua(part)));
}

const shardScripts = new Map<string, ShardScript>();
const tenantScripts = new Map<string, TenantScript>();

/** A verb of a shard: `KEYS[1]` names the shard, `KEYS[2]` is never there, `ARGV[1]` is the clock, further ones are the verb's own. */
export class ShardScript extends RedisScript {
  constructor(readonly name: string) {
    super(composeScript(name, 'prelude'));
    shardScripts.set(name, this);
  }

  /** `keys` are those that the verb wants passed after the two that all verbs have. */
  async inShard(context: ShardContext, args: ScriptArgument[], keys: string[] = []): Promise<unknown> {
    const { deadlines, never } = keysOf(context);
    const clock = context.clockMs === undefined ? '' : context.clockMs();
    return await this.run(context.client, [deadlines, never + rulesMark(context.identity), ...keys], [clock, ...args]);
  }
}

/** Which tenant a script runs for, over which connection. `clockMs` sets the time in tests; nothing else may. */
export type TenantContext = Omit<ShardContext, 'shards' | 'shard'>;

/** A verb of a whole tenant, in the slot of its own keys: `KEYS[1]` names the tenant, the rest as with a shard. */
export class TenantScript extends RedisScript {
  constructor(readonly name: string) {
    super(composeScript(name, 'tenant-prelude'));
    tenantScripts.set(name, this);
  }

  async inTenant({ client, tenant, clockMs }: TenantContext, args: ScriptArgument[]): Promise<unknown> {
    const { heartbeats, never } = tenantKeys(tenant);
    return await this.run(client, [heartbeats, never], [clockMs === undefined ? '' : clockMs(), ...args]);
  }
}

/** A script that stands alone, with its one key given by the caller. */
export function loadScript(name: string): RedisScript {
  return new RedisScript(readLua(name));
}

/** Every verb of a shard, for the health check that loads them and for the tests that examine them. */
export function allShardScripts(): ReadonlyMap<string, ShardScript> {
  return shardScripts;
}

/** Every verb of a whole tenant. */
export function allTenantScripts(): ReadonlyMap<string, TenantScript> {
  return tenantScripts;
}

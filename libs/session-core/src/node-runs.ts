import { StoreUnavailableError } from './errors.js';
import { shardKeys, shardNumbers, type TenantRef } from './keys.js';
import {
  closeRun,
  enterNode,
  expelNode,
  forgetNode,
  heldBy,
  loseNode,
  noteRuns,
  readBegun,
  tookRun,
  type BegunRun,
  type Expelled,
  type Held,
  type LeftRun,
  type NodeRun,
  type RunInForce,
} from './scripts/node-run.script.js';
import type { ShardContext, StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

export interface NodeRunsOptions {
  client: StoreClient;
  deadlineMs: number;
  clockMs?: (() => number) | undefined;
}

/** What is in force of a node; `left`: that run has left, and nothing brings it back. */
export type NodeChange = Pick<NodeRun, 'epoch' | 'change'> & { left: boolean };

/** A run may change this often while the shards are told of it. */
const TELL_TRIES = 5;
/** Nodes of which a shard is asked at once what they hold: about 0.2 ms. */
const NODES_AT_ONCE = 100;
/** Runs that began in a shard and are taken from it in one look. */
const BEGUN_AT_ONCE = 100;
/** Sessions of an older release that are looked at for their run in one call, about 0.5 ms; and calls in one look. */
const NOTED_AT_ONCE = 100;
const NOTES_AT_ONCE = 10;

/** The runs of nodes as the shards of a tenant know them. */
export class NodeRuns {
  /** Shards whose books have nothing left of a release that did not note runs. */
  private readonly noted = new Set<string>();

  constructor(private readonly options: NodeRunsOptions) {}

  /** Tells every shard that a run is in force, with a number that is larger than any that they know. Returns what is in force then. */
  async enter(tenant: TenantRef, run: NodeRun): Promise<NodeChange> {
    let { change } = run;
    for (let attempt = 0; attempt < TELL_TRIES; attempt++) {
      const wanted = { ...run, change };
      const inForce = await this.inEach(tenant, (shard) => enterNode(shard, wanted, shard.shard === 0));
      const epoch = Math.max(...inForce.map((known) => known.epoch));
      const ofRun = inForce.filter((known) => known.epoch === epoch);
      const left = ofRun.some(({ over }) => over === 'left');
      const needed = Math.max(...ofRun.map((known) => (known.over === null ? known.change : known.change + 1)));
      if (left || epoch > run.epoch || needed <= change) return { epoch, change: needed, left };
      change = needed;
    }
    throw new StoreUnavailableError(`The run of node ${run.node} changed too often while it was put into force`);
  }

  /** Tells every shard that a run is lost; no shard waits for one that fails. Returns what each has in force then. */
  async lose(tenant: TenantRef, run: NodeRun): Promise<RunInForce[]> {
    return await settledAll(this.shards(tenant).map((shard) => loseNode(shard, run, shard.shard === 0)));
  }

  /** Closes the run with which a node has left in every shard; no shard waits for one that fails. */
  async close(tenant: TenantRef, run: LeftRun): Promise<void> {
    const closing = this.shards(tenant).map(async (shard) => {
      while (await this.call(async () => await closeRun(shard, run)));
    });
    await settledAll(closing);
  }

  /** Forgets a run that was lost or has left in every shard. Returns what each shard says. */
  async forget(tenant: TenantRef, run: Pick<NodeRun, 'node' | 'epoch'>) {
    return await settledAll(this.shards(tenant).map((shard) => forgetNode(shard, run)));
  }

  /** Forgets a node in every shard, whatever it does; `by` had it end what it held. */
  async expel(tenant: TenantRef, node: string, by: string): Promise<Expelled> {
    const shards = this.shards(tenant).map(async (shard) => {
      const sum = { known: false, sessions: 0 };
      for (let more = true; more;) {
        const expelled = await this.call(async () => await expelNode(shard, node, by));
        sum.known ||= expelled.known;
        sum.sessions += expelled.sessions;
        ({ more } = expelled);
      }
      return sum;
    });
    const all = await settledAll(shards);
    return { known: all.some(({ known }) => known), sessions: all.reduce((sum, { sessions }) => sum + sessions, 0) };
  }

  /** The largest run of a node that has begun and that the tenant may not know; null if none has, or no shard says so in time. */
  async begunOf(tenant: TenantRef, node: string): Promise<number | null> {
    const { client } = this.options;
    const looks = shardNumbers(tenant).map((shard) =>
      this.call(async () => await client.hget(shardKeys(tenant, shard).begun, node)),
    );
    const epochs = (await Promise.allSettled(looks)).flatMap((look) =>
      look.status === 'fulfilled' && look.value !== null ? [readBegun(node, look.value).epoch] : [],
    );
    return epochs.length === 0 ? null : Math.max(...epochs);
  }

  /** Whether a shard has this run, or a newer one, on its books; one that came ahead of the clock does not count. */
  async isKnown(tenant: TenantRef, node: string, epoch: number): Promise<boolean> {
    const { client } = this.options;
    const known = await Promise.all(
      shardNumbers(tenant).map(async (shard) => {
        const keys = shardKeys(tenant, shard);
        const [run, noted] = await this.call(
          async () => await Promise.all([client.hget(keys.nodes, node), client.zscore(keys.nodeRuns(node), epoch)]),
        );
        return Number(noted ?? 0) > 0 || Number.parseInt(run ?? '0', 10) >= epoch;
      }),
    );
    return known.includes(true);
  }

  /** Runs that began in a shard by something else than a beat, and that nobody has taken from it. */
  async begun(tenant: TenantRef, shard: number): Promise<BegunRun[]> {
    const { client } = this.options;
    const { begun } = shardKeys(tenant, shard);
    const flat = await this.call(async () => await client.hrandfield(begun, BEGUN_AT_ONCE, 'WITHVALUES'));
    const names = Array.isArray(flat) ? flat.flat() : [];
    return pairs(names as string[]).map(([node, read]) => readBegun(node, read));
  }

  /** The tenant knows a run that began in this shard. */
  async took(tenant: TenantRef, shard: number, run: BegunRun): Promise<void> {
    await this.call(async () => await tookRun(this.ofShard(tenant, shard), run));
  }

  /** Goes on with noting the runs in books that another release has written. */
  async note(tenant: TenantRef, shard: number): Promise<void> {
    const name = `${tenant.name}/${shard}`;
    for (let calls = 0; calls < NOTES_AT_ONCE && !this.noted.has(name); calls++) {
      const done = await this.call(async () => await noteRuns(this.ofShard(tenant, shard), NOTED_AT_ONCE));
      if (done) this.noted.add(name);
    }
  }

  /** What each of these nodes holds in all shards, in their order. */
  async held(tenant: TenantRef, nodes: string[]): Promise<Held[]> {
    const sums: Held[] = [];
    for (let from = 0; from < nodes.length; from += NODES_AT_ONCE) {
      const some = nodes.slice(from, from + NODES_AT_ONCE);
      const ofShards = await this.inEach(tenant, (shard) => heldBy(shard, some));
      sums.push(...some.map((_, i) => sumOf(ofShards.flatMap((held) => held[i] ?? []))));
    }
    return sums;
  }

  private async inEach<T>(tenant: TenantRef, verb: (shard: ShardContext) => Promise<T>): Promise<T[]> {
    return await Promise.all(this.shards(tenant).map((shard) => this.call(async () => await verb(shard))));
  }

  private ofShard({ name, shards }: TenantRef, shard: number): ShardContext {
    const { client, clockMs } = this.options;
    return { client, tenant: name, clockMs, shards, shard };
  }

  private shards(tenant: TenantRef): ShardContext[] {
    return shardNumbers(tenant).map((shard) => this.ofShard(tenant, shard));
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

/** All answers, once every call has ended; the first failure if one failed. */
async function settledAll<T>(calls: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(calls);
  return await Promise.all(calls);
}

export function pairs(flat: string[]): [string, string][] {
  return flat.flatMap((value, at): [string, string][] => (at % 2 === 0 ? [[value, flat[at + 1] ?? '']] : []));
}

function sumOf(helds: Held[]): Held {
  const sum = { watched: 0, unwatched: 0 };
  for (const { watched, unwatched } of helds) {
    sum.watched += watched;
    sum.unwatched += unwatched;
  }
  return sum;
}

import { DAY_MS } from '#basics';
import { NodesStore } from '../src/nodes-store.js';
import { Pulses } from '../src/pulses.js';
import type { TenantRef } from '../src/keys.js';
import type { NodePolicy } from '../src/model/node.js';
import type { SnapshotEntry, SnapshotOutcome, SnapshotPart } from '../src/model/snapshot.js';
import { SnapshotsStore, type SnapshotsStoreOptions } from '../src/snapshots-store.js';
import { tenant, TestClock, type Books } from './fixture.js';

export const LEASE_MS = 15_000;
export const BEAT_MS = 5_000;
export const EPOCH = 1_763_700_000_000;
export const NODE = 'b2bua-1';
export const SIP = { idleMs: 0, maxDurationMs: DAY_MS, reservationMs: 180_000 };

export const POLICY: NodePolicy = {
  leaseMs: LEASE_MS,
  missedBeats: 3,
  snapshotIntervalMs: 60_000,
  fuseShare: 0.2,
  fuseSessions: 50,
  fuseNodes: 0.5,
  onReturn: 'over_admit',
};

/** A session as its node lists it; it began when the clock of the tests does. */
export function entry(id: string, overrides: Partial<SnapshotEntry> = {}): SnapshotEntry {
  return { id, user: 'alice', startedAtMs: new TestClock().nowMs, ...overrides };
}

/** Everything that a test of snapshots does, on the books of its suite. */
export class Reconciling {
  readonly nodes: NodesStore;
  readonly pulses: Pulses;
  readonly snapshots: SnapshotsStore;

  constructor(
    readonly books: Books,
    readonly of: TenantRef = tenant,
    overrides: Partial<SnapshotsStoreOptions> = {},
  ) {
    const clockMs = () => books.clock.nowMs;
    const common = { client: books.redis, deadlineMs: 60_000, tombstoneMs: 60_000, clockMs };
    this.nodes = new NodesStore({ ...common, policy: POLICY });
    this.pulses = new Pulses({ ...common, staleAfterMs: 5_000, graceMs: LEASE_MS, steadyMs: clockMs });
    this.snapshots = new SnapshotsStore({ ...common, policy: POLICY, policyOf: () => SIP, ...overrides });
  }

  /** The node beats; returns the mark of a list that it begins now. */
  async beat(node: string = NODE, epoch: number = EPOCH): Promise<number> {
    const beat = await this.nodes.beat(this.of, { node, epoch, via: 'http' });
    if (beat.kind !== 'beat') throw new Error(`${node} is stale`);
    return beat.mark;
  }

  async part(said: Partial<SnapshotPart>): Promise<SnapshotOutcome> {
    const part = { node: NODE, epoch: EPOCH, mark: 0, part: 1, parts: 1, sessions: [], ...said };
    return await this.snapshots.part(this.of, part);
  }

  /** A fresh list in one part: a second after the last thing that happened, which is what a mark is for. */
  async list(sessions: SnapshotEntry[], said: Partial<SnapshotPart> = {}): Promise<SnapshotOutcome> {
    this.books.clock.advance(1_000);
    const mark = await this.beat(said.node, said.epoch);
    this.books.clock.advance(1_000);
    return await this.part({ mark, sessions, ...said });
  }

  /** Time as in life: a pass and a pulse each second, and beats of the nodes that live. */
  async pass(ms: number, beating: string[] = []): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.books.clock.advance(1_000);
      await this.pulses.beat(this.of);
      await this.pulses.open(this.of);
      if (passed % BEAT_MS === 0) for (const node of beating) await this.beat(node);
      await this.nodes.watch(this.of);
      for (let shard = 0; shard < this.of.shards; shard += 1) await this.drain(shard);
    }
  }

  private async drain(shard: number): Promise<void> {
    let left = 1;
    while (left > 0) ({ runsLeft: left } = await this.nodes.drain(this.of, shard, 100));
  }
}

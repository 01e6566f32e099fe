import { expect } from '@jest/globals';
import fc from 'fast-check';
import { shardKeys, shardNumbers, type TenantRef } from '../src/keys.js';
import type { NodeView } from '../src/model/node.js';
import { list } from '../src/scripts/list.script.js';
import type { Books } from './fixture.js';
import { request } from './fixture.js';
import { BEAT_MS, entry, LEASE_MS, Reconciling } from './snapshot.fixture.js';

const NAMES = ['n1', 'n2'] as const;
/** Two passes of the watch: one to take what has begun, one to end it. */
const SWEEP_MS = 3_000;
const FUTURE = Number.MAX_SAFE_INTEGER;

/** `run`: an epoch, 0 for none. `burst`: the next step comes before anybody has looked at the nodes. */
type Said = { node: number; run: number; user: string; burst: boolean };
export type RunStep =
  | ({ do: 'admit' | 'started' | 'beat' | 'list' } & Said)
  | ({ do: 'transfer'; which: number; moves: boolean } & Said)
  | { do: 'end'; which: number; burst: boolean }
  | { do: 'time'; seconds: number; alive: number }
  | { do: 'forget'; node: number }
  | { do: 'leave'; node: number; run: number; burst: boolean }
  | { do: 'drain'; node: number; draining: boolean; burst: boolean };

const said = {
  node: fc.nat({ max: NAMES.length - 1 }),
  run: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 5 }) }, { weight: 1, arbitrary: fc.constant(FUTURE) }),
  user: fc.constantFrom('alice', 'bob', 'carol', 'dave', 'erin'),
  burst: fc.boolean(),
};
const of = <T extends string>(...names: T[]) => fc.constantFrom(...names);

export const runStep: fc.Arbitrary<RunStep> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: of('admit', 'started'), ...said }) },
  { weight: 4, arbitrary: fc.record({ do: of('beat'), ...said }) },
  { weight: 2, arbitrary: fc.record({ do: of('list'), ...said }) },
  { weight: 3, arbitrary: fc.record({ do: of('transfer'), which: fc.nat({ max: 9 }), moves: fc.boolean(), ...said }) },
  { weight: 1, arbitrary: fc.record({ do: of('end'), which: fc.nat({ max: 9 }), burst: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: of('time'), seconds: fc.integer({ min: 1, max: 24 }), alive: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: of('forget'), node: said.node }) },
  { weight: 2, arbitrary: fc.record({ do: of('drain'), node: said.node, draining: fc.boolean(), burst: said.burst }) },
  { weight: 2, arbitrary: fc.record({ do: of('leave'), node: said.node, run: said.run, burst: said.burst }) },
);

interface Name {
  beaten: boolean;
  present: number;
  lost: boolean;
  /** It was lost when a session began its present run, and nobody has looked since: shards that hold nothing of that run still know it as lost. */
  returning: boolean;
  /** The run that has left, and that nothing brings back; 0 once a larger one is the present one. */
  left: number;
  draining: boolean;
  spokeMs: number;
}

const FORGOTTEN = { beaten: false, present: 0, lost: false, returning: false, left: 0 };

interface Held {
  id: string;
  node: string;
  /** Null for one that is not watched. */
  epoch: number | null;
  user: string;
}

/** What must be on the books of nodes that start, speak and die in any order: the rules of docs/decisions/0016-runs.md, written plainly. */
export class RunsWorld {
  private readonly names = new Map<string, Name>();
  private readonly held = new Map<string, Held>();
  private readonly r: Reconciling;
  private made = 0;

  constructor(
    private readonly books: Books,
    private readonly tenant: TenantRef,
  ) {
    this.r = new Reconciling(books, tenant);
    for (const name of NAMES) this.names.set(name, { ...FORGOTTEN, draining: false, spokeMs: 0 });
  }

  async run(step: RunStep): Promise<void> {
    switch (step.do) {
      case 'admit':
      case 'started':
        await this.admit(step.do, step);
        break;
      case 'beat':
        await this.beat(step);
        break;
      case 'list':
        await this.list(step);
        break;
      case 'transfer':
        await this.transfer(step);
        break;
      case 'end': {
        const session = this.pick(step.which);
        if (session === undefined) break;
        const { id, user } = session;
        await this.books.store.end(this.tenant, { sessionId: id, user }, { reason: 'completed', by: 'node' });
        this.held.delete(id);
        break;
      }
      case 'forget': {
        const node = NAMES[step.node]!;
        await this.r.nodes.forget(this.tenant, node, 'ops');
        Object.assign(this.of(node), FORGOTTEN, { draining: false });
        for (const { id, ...session } of this.held.values()) if (session.node === node) this.held.delete(id);
        break;
      }
      case 'drain':
        this.of(NAMES[step.node]!).draining = step.draining;
        await this.r.nodes.drains.set(this.tenant, NAMES[step.node]!, step.draining);
        break;
      case 'leave':
        await this.leave(step);
        break;
      case 'time':
        for (let second = 0; second < step.seconds; second += 1) {
          if (second % (BEAT_MS / 1_000) === 0) await this.beatAlive(step.alive);
          await this.look();
        }
        return;
    }
    // While what a name that never beat held without a run is being ended, a new session of it without a run ends with it.
    const isDrained = step.do === 'leave' && !this.of(NAMES[step.node]!).beaten;
    if (!('burst' in step) || !step.burst || isDrained) await this.look();
  }

  /** Everybody has died: a lease and a sweep later nothing is left that is watched. */
  async settle(): Promise<void> {
    for (let passed = 0; passed < LEASE_MS + SWEEP_MS; passed += 1_000) await this.look();
    const beaten = [...this.held.values()].filter(({ node, epoch }) => epoch !== null && this.of(node).beaten);
    expect(beaten).toEqual([]);
  }

  private of(node: string): Name {
    return this.names.get(node)!;
  }

  private pick(which: number): Held | undefined {
    return [...this.held.values()][which % Math.max(1, this.held.size)];
  }

  private async admit(how: 'admit' | 'started', { node: index, run, user }: Said): Promise<void> {
    const node = NAMES[index]!;
    const id = `call-${this.made++}`;
    const asked = request(id, { node, user, epoch: run === 0 ? null : run });
    const ask = async () =>
      how === 'admit'
        ? (await this.books.store.admit(this.tenant, asked)).decision
        : await this.books.store.started(this.tenant, asked);
    if (this.isAhead(node, run)) {
      await expect(ask()).rejects.toMatchObject({ code: 'invalid-request' });
      return;
    }
    const refused = this.isRefused(node, run);
    const decision = await ask();
    const drains = how === 'admit' && this.of(node).draining;
    // A shard that has not heard of a newer run yet takes a session of the old one, which is over with the next look; where the old one was
    // lost, it refuses until then what names no run.
    if (refused && decision.kind === 'stale-epoch') return;
    if (drains) {
      expect(decision).toEqual({ kind: 'node-draining' });
      return;
    }
    if (decision.kind !== 'admitted') throw new Error(`${id} of ${node} on ${run} was ${decision.kind}`);
    this.hold({ id, node, epoch: decision.session.epoch, user });
  }

  private async transfer({
    which,
    moves,
    node: index,
    run,
    user,
  }: Extract<RunStep, { do: 'transfer' }>): Promise<void> {
    const session = this.pick(which);
    if (session === undefined) return;
    const node = NAMES[index]!;
    const ref = { sessionId: session.id, user: session.user };
    const to = { node, epoch: run === 0 ? null : run, ...(moves && { user }) };
    const ask = async () => await this.books.store.transfers.transfer(this.tenant, ref, to);
    if (this.isAhead(node, run)) {
      await expect(ask()).rejects.toMatchObject({ code: 'invalid-request' });
      return;
    }
    const outcome = await ask();
    if (outcome.kind === 'live') {
      expect(this.of(node).draining && session.node !== node).toBe(false);
      this.held.delete(session.id);
      this.hold({ id: session.id, node, epoch: outcome.session.epoch, user: outcome.session.user });
    } else if (outcome.kind === 'node-draining') {
      expect([this.of(node).draining, session.node]).toEqual([true, NAMES[1 - index]]);
    } else if (outcome.kind !== 'stale-epoch' || !this.isRefused(node, run)) {
      throw new Error(`${session.id} to ${node} on ${run} was ${outcome.kind}`);
    }
  }

  private async beat({ node: index, run }: Said): Promise<void> {
    if (run === 0) return;
    const node = NAMES[index]!;
    const name = this.of(node);
    const beat = async () => await this.r.nodes.beat(this.tenant, { node, epoch: run, via: 'http' });
    const largest = name.beaten ? name.present : this.largestNoted(node);
    if (run === FUTURE) {
      await expect(beat()).rejects.toMatchObject({ code: 'invalid-request' });
      return;
    }
    if (name.left >= run) {
      expect(await beat()).toEqual({ kind: 'stale', currentEpoch: name.left });
      return;
    }
    if (largest > run) {
      expect(await beat()).toEqual({ kind: 'stale', currentEpoch: largest });
      if (!name.beaten) this.begin(node, largest);
      return;
    }
    expect(await beat()).toMatchObject({ kind: 'beat' });
    this.begin(node, run);
  }

  private async leave({ node: index, run }: Extract<RunStep, { do: 'leave' }>): Promise<void> {
    if (run === 0) return;
    const node = NAMES[index]!;
    const name = this.of(node);
    const leave = async () => await this.r.nodes.departures.leave(this.tenant, { node, epoch: run });
    if (run === FUTURE) {
      await expect(leave()).rejects.toMatchObject({ code: 'invalid-request' });
      return;
    }
    const known = Math.max(name.present, name.left);
    if (known > run) {
      expect(await leave()).toEqual({ kind: 'stale', currentEpoch: known });
      return;
    }
    expect(await leave()).toEqual({ kind: 'left' });
    Object.assign(name, { left: run, draining: false }, name.beaten && { present: run, lost: true, returning: false });
    for (const { id, ...session } of this.held.values()) {
      const stays = !name.beaten && session.epoch !== null && session.epoch > run && session.epoch !== FUTURE;
      if (session.node === node && !stays) this.held.delete(id);
    }
  }

  /** A part of a list, which is not complete: it brings sessions onto the books and ends none. */
  private async list({ node: index, user }: Said): Promise<void> {
    const node = NAMES[index]!;
    const { beaten, lost, present: epoch } = this.of(node);
    const id = `call-${this.made++}`;
    const sessions = [entry(id, { user, startedAtMs: this.books.clock.nowMs })];
    const outcome = await this.r.part({ node, epoch: epoch || 1, mark: this.books.clock.nowMs, parts: 2, sessions });
    if (outcome.kind === 'part' && beaten && !lost) this.hold({ id, node, epoch, user });
    else expect(outcome.kind).not.toBe('part');
  }

  private async beatAlive(alive: number): Promise<void> {
    for (const [index, node] of NAMES.entries()) {
      const { beaten, present } = this.of(node);
      if (beaten && (alive & (1 << index)) > 0) await this.beat({ node: index, run: present, user: '', burst: true });
    }
  }

  /** A second passes, and a reaper looks. Then the books are what the rules say. */
  private async look(): Promise<void> {
    await this.r.pass(1_000);
    const { nodes } = await this.r.nodes.list(this.tenant);
    for (const [node, name] of this.names)
      this.followTime(
        name,
        nodes.find((view) => view.node === node && view.state !== 'unwatched'),
      );
    for (const session of this.held.values()) if (this.isOver(session)) this.held.delete(session.id);
    const onBooks = (await Promise.all(shardNumbers(this.tenant).map((shard) => this.onBooks(shard)))).flat();
    const byId = (a: Held, b: Held) => (a.id < b.id ? -1 : 1);
    expect(onBooks.toSorted(byId)).toEqual([...this.held.values()].toSorted(byId));
  }

  /** When exactly within a sweep a node is lost, and one that held nothing forgotten, is not what is tried here. */
  private followTime(name: Name, view: Pick<NodeView, 'state' | 'epoch'> | undefined): void {
    if (!name.beaten || name.left > 0) {
      expect(view).toBeUndefined();
      return;
    }
    const silentMs = this.books.clock.nowMs - name.spokeMs;
    if (view === undefined) {
      expect(silentMs).toBeGreaterThan(LEASE_MS);
      Object.assign(name, FORGOTTEN);
      return;
    }
    expect(view.epoch).toBe(name.present);
    if (silentMs <= LEASE_MS) expect(view.state).toBe('live');
    if (silentMs > LEASE_MS + SWEEP_MS) expect(view.state).toBe('lost');
    Object.assign(name, { lost: view.state === 'lost', returning: false });
  }

  private async onBooks(shard: number): Promise<Held[]> {
    const { redis } = this.books;
    const ids = await redis.zrange(shardKeys(this.tenant, shard).deadlines, '0', '-1');
    const context = { client: redis, tenant: this.tenant.name, shards: this.tenant.shards, shard };
    const { sessions } = await list(context, ids);
    return sessions.map(({ id, node, epoch, user }) => ({ id, node: node ?? '', epoch, user }));
  }

  private hold(session: Held): void {
    this.held.set(session.id, session);
    const { node, epoch } = session;
    const { beaten, present, lost, returning } = this.of(node);
    if (!beaten || epoch === null || epoch <= present) return;
    this.begin(node, epoch);
    this.of(node).returning = lost || returning;
  }

  /** A run speaks: it is the present one, and has its lease. */
  private begin(node: string, epoch: number): void {
    Object.assign(this.of(node), {
      beaten: true,
      present: epoch,
      lost: false,
      returning: false,
      left: 0,
      spokeMs: this.books.clock.nowMs,
    });
  }

  private largestNoted(node: string): number {
    const noted = [...this.held.values()].filter((session) => session.node === node && session.epoch !== FUTURE);
    return Math.max(0, ...noted.map(({ epoch }) => epoch ?? 0));
  }

  private isAhead(node: string, run: number): boolean {
    return run === FUTURE && this.of(node).beaten;
  }

  private isRefused(node: string, run: number): boolean {
    const { beaten, present, lost, returning } = this.of(node);
    return beaten && (run === 0 ? lost || returning : run < present || (run === present && lost));
  }

  private isOver({ node, epoch }: Held): boolean {
    const { beaten, present, lost } = this.of(node);
    return beaten && epoch !== null && (epoch !== present || lost);
  }
}

import { setTimeout as elapsed } from 'node:timers/promises';

import {
  SessionStore,
  shardKeys,
  shardNumbers,
  StoreUnavailableError,
  type AdmissionRequest,
  type StoreClient,
  type TenantRef,
} from '#session-core';

import { eventually } from '#testing';

import { Account, type Life } from './history-account.js';
import { LONG_MS, NODES, POOLS, randomOf, requestOf, USERS, type Random } from './history-requests.js';

export interface LoadOptions {
  client: StoreClient;
  tenant?: TenantRef;
  seed: number;
  /** Calls a second, about. */
  perSecond?: number;
  /** How long a call may take before it counts as one without an answer; 10 s by default. */
  deadlineMs?: number;
}

const LANES = 12;
/** Longer than any test. */
const TOMBSTONE_MS = 3_600_000;
const SOON_MS = 60_000;
/** A session and a refusal of the same id in the same millisecond would be one row. */
const APART_MS = 20;

const ENOUGH_LIVES = 300;
const ENOUGH_REFUSALS = 30;

type Act = (lane: Lane) => Promise<void>;

interface Lane {
  number: number;
  random: Random;
  mine: Life[];
}

/** Everything that can happen to sessions, at random, by several callers at once, each with sessions of its own; and the account of it. */
export class Load {
  readonly account = new Account();
  /** Calls that failed although Redis was there. */
  readonly failures: string[] = [];
  /** How many calls were answered. */
  calls = 0;
  readonly store: SessionStore;
  readonly tenant: TenantRef;
  private readonly stopping = new AbortController();
  private lanes: Promise<void>[] = [];
  private n = 0;

  constructor(private readonly options: LoadOptions) {
    const { client, deadlineMs = 10_000 } = options;
    this.tenant = options.tenant ?? { name: 'default', shards: 1 };
    this.store = new SessionStore({ client, deadlineMs, tombstoneMs: TOMBSTONE_MS });
  }

  async start(): Promise<this> {
    const groups = { pool: { default: 6, action: 'terminate_oldest' as const }, trunk: { default: 60 } };
    await this.store.limits.change(this.tenant, () => ({ maxSessionsPerUser: 2, groups }));
    this.lanes = Array.from({ length: LANES }, (_, number) => this.drive(number));
    return this;
  }

  /** As much as a comparison is worth: on a busy machine it takes its time. */
  async enough(): Promise<void> {
    const { account } = this;
    await eventually(() => account.lives.size > ENOUGH_LIVES && account.refusals > ENOUGH_REFUSALS, {
      what: 'a load that is worth comparing',
    });
  }

  /** Ends it, has everything written down that is summed or due, and asks the books for what no answer had. */
  async stop(): Promise<Account> {
    await this.abort();
    await this.store.withdrawals.close();
    await this.settle();
    for (const life of this.account.unsettled()) {
      if (!this.account.doubtful.has(life.id)) await this.askBooks(life);
    }
    return this.account;
  }

  /** So many refusals of servers, besides. */
  async forbid(count: number): Promise<void> {
    const random = randomOf(this.options.seed);
    for (let n = 0; n < count; n += 100)
      await Promise.all(Array.from({ length: 100 }, () => this.forbidOne(random, 1)));
  }

  /** Ends it, and nothing else. */
  async abort(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.lanes);
  }

  private async drive(number: number): Promise<void> {
    const { seed, perSecond = 500 } = this.options;
    const lane: Lane = { number, random: randomOf(seed * 1_000 + number), mine: [] };
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const act = ACTS[lane.random(ACTS.length)] as keyof typeof this.acts;
      try {
        await this.acts[act](lane);
        this.calls += 1;
      } catch (error) {
        this.failures.push(`${act}: ${String(error)}`);
      }
      const pauseMs = (-Math.log(1 - lane.random(1_000) / 1_000) * LANES * 1_000) / perSecond;
      await elapsed(pauseMs);
    }
  }

  private readonly acts = {
    admit: async (lane) => {
      const { random } = lane;
      const id = `${this.options.seed}/${lane.number}/${(this.n += 1)}`;
      const user = random(12) === 0 ? '' : (USERS[random(USERS.length)] ?? '');
      const groups = [['trunk:west'], [POOLS[random(POOLS.length)] ?? ''], [], []][random(4)] ?? [];
      await this.ask(lane, requestOf(id, user, groups, random));
    },
    repeat: async (lane) => {
      const life = this.pick(lane);
      if (!life) return;
      const policy = { idleMs: life.idleMs, maxDurationMs: LONG_MS, reservationMs: life.reservationMs };
      const request = { ...requestOf(life.id, life.user, life.groups, lane.random), attempt: life.attempt, policy };
      const { decision } = await this.doubted([life.id], this.store.admit(this.tenant, request));
      if (decision.kind === 'ended') this.drop(lane, life);
      else if (decision.kind !== 'admitted' || !decision.repeated) throw new Error(`repeated: ${decision.kind}`);
    },
    /** A call that rings, or was answered, is tried anew. None of a pool, which might end first for another one. */
    supersede: async (lane) => {
      const life = this.pick(
        lane,
        ({ groups, idleMs }) => idleMs === 0 && !groups.some((name) => POOLS.includes(name)),
      );
      if (!life || (life.state === 'reserved' && life.reservationMs < LONG_MS)) return;
      this.drop(lane, life);
      const request = requestOf(life.id, life.user, life.groups, lane.random);
      const next = await this.ask(lane, { ...request, attempt: life.attempt + 1 });
      const reason = life.state === 'reserved' ? 'completed' : 'evicted';
      const note = `superseded by attempt ${life.attempt + 1}`;
      if (next) this.account.end(life, { atMs: next.startedAtMs, reason, note });
    },
    confirm: async (lane) => {
      const life = this.pick(lane);
      if (!life) return;
      const outcome = await this.doubted([life.id], this.store.confirm(this.tenant, { sessionId: life.id }));
      if (outcome.kind === 'live') life.state = 'active';
      else this.drop(lane, life);
    },
    authenticate: async (lane) => {
      const life = this.pick(lane, ({ user }) => user === '');
      if (!life) return;
      const user = USERS[lane.random(USERS.length)] ?? '';
      const { transfers } = this.store;
      const outcome = await this.doubted([life.id], transfers.authenticate(this.tenant, { sessionId: life.id }, user));
      if (outcome.kind === 'live') life.user = user;
      else if (outcome.kind === 'rejected') this.account.refuse(life.id, user, outcome.limits);
      else this.drop(lane, life);
    },
    renew: async (lane) => {
      const life = this.pick(lane);
      if (!life) return;
      const { bytesSent, bytesReceived, packetsSent, packetsReceived } = life.totals;
      const { random } = lane;
      const totals = {
        bytesSent: bytesSent + random(random(9) === 0 ? 10 ** 12 : 1_000),
        bytesReceived: Math.max(0, bytesReceived + random(2_000) - 500), // one that comes late says less, and changes nothing
        packetsSent: packetsSent + random(10),
        packetsReceived: packetsReceived + random(10),
      };
      const outcome = await this.doubted([life.id], this.store.renew(this.tenant, { sessionId: life.id }, totals));
      // What comes after the end counts too.
      if (outcome.kind !== 'unknown') {
        life.totals = { ...totals, bytesReceived: Math.max(bytesReceived, totals.bytesReceived) };
      }
      if (outcome.kind !== 'live') this.drop(lane, life);
    },
    transfer: async (lane) => {
      const life = this.pick(lane);
      if (!life) return;
      const { random } = lane;
      const user = random(3) === 0 && life.user !== '' ? USERS[random(USERS.length)] : undefined;
      const newId = random(2) === 0 ? `${life.id}+` : undefined;
      const target = { node: NODES[random(NODES.length)] ?? '', epoch: null, user, newId };
      const ids = [life.id, ...(newId === undefined ? [] : [newId])];
      const { transfers } = this.store;
      const outcome = await this.doubted(ids, transfers.transfer(this.tenant, { sessionId: life.id }, target));
      if (outcome.kind === 'rejected') return this.account.refuse(life.id, user ?? life.user, outcome.limits);
      if (outcome.kind !== 'live') return this.drop(lane, life);
      if (newId === undefined) return void Object.assign(life, { node: target.node, user: user ?? life.user });
      this.drop(lane, life);
      lane.mine.push(this.account.begin(outcome.session, life, life));
      life.totals = { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0 }; // they went along
      this.account.end(life, { atMs: null, reason: 'transferred', note: '' });
    },
    end: async (lane) => await this.finish(lane, 'completed', 'node'),
    kill: async (lane) => await this.finish(lane, 'killed', 'berth'),
    forbid: async ({ random }) => await this.forbidOne(random, 1 + random(3)),
    /** What the reaper does. */
    sweep: async () => {
      for (const shard of shardNumbers(this.tenant)) {
        await this.store.sweep(this.tenant, shard, 100);
        await this.store.upkeep(this.tenant, shard, 100);
      }
    },
  } satisfies Record<string, Act>;

  private async ask(lane: Lane, request: AdmissionRequest): Promise<Life | null> {
    const { decision } = await this.doubted([request.sessionId], this.store.admit(this.tenant, request));
    if (decision.kind === 'rejected') this.account.refuse(request.sessionId, request.user, decision.limits);
    else if (decision.kind !== 'admitted') throw new Error(`admitted: ${decision.kind}`);
    if (decision.kind !== 'admitted') return null;
    const life = this.account.begin(decision.session, request.policy);
    lane.mine.push(life);
    const ending = { atMs: life.startedAtMs, reason: 'evicted' as const, note: `for ${life.id}` };
    for (const victim of decision.terminated) this.account.end(victim, ending);
    return life;
  }

  private async finish(lane: Lane, reason: 'completed' | 'killed', by: 'node' | 'berth'): Promise<void> {
    const life = this.pick(lane);
    if (!life) return;
    this.drop(lane, life);
    const note = reason === 'killed' ? 'by an operator; "why"' : '';
    const outcome = await this.doubted(
      [life.id],
      this.store.end(this.tenant, { sessionId: life.id }, { reason, by, note }),
    );
    if (outcome.kind === 'now' || outcome.kind === 'before') this.account.endAsAnswered(outcome.session);
  }

  private async forbidOne(random: Random, times: number): Promise<void> {
    const id = `forbidden/${this.options.seed}/${(this.n += 1)}`;
    const sessionId = random(2) === 0 ? '' : `proxy-${this.n}`;
    const user = USERS[random(USERS.length)] ?? '';
    const refusal = { id, sessionId, user, rule: 'no "east", nor \'west\'', decision: 'block' };
    this.account.forbid(id, refusal);
    for (let reports = 0; reports < times; reports += 1) await this.store.recordRefusal(this.tenant, refusal);
  }

  /** None of which nobody knows what became of it. */
  private pick({ mine, random }: Lane, suits: (life: Life) => boolean = () => true): Life | undefined {
    const settled = mine.filter(({ id, startedAtMs }) => {
      return startedAtMs < Date.now() - APART_MS && !this.account.doubtful.has(id);
    });
    const some = settled.filter(suits);
    return some[random(Math.max(1, some.length))];
  }

  private drop(lane: Lane, life: Life): void {
    lane.mine.splice(lane.mine.indexOf(life), 1);
  }

  /** Where there was no answer nobody knows what became of these ids. */
  private async doubted<T>(ids: string[], call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof StoreUnavailableError) for (const id of ids) this.account.doubtful.add(id);
      throw error;
    }
  }

  private async settle(): Promise<void> {
    const { client } = this.options;
    for (const shard of shardNumbers(this.tenant)) {
      const keys = shardKeys(this.tenant, shard);
      for (let busy = true; busy;) {
        const { nowMs, nextDueMs } = await this.store.sweep(this.tenant, shard, 1_000);
        await this.store.upkeep(this.tenant, shard, 1_000);
        busy = (nextDueMs !== null && nextDueMs < nowMs + SOON_MS) || (await client.hlen(keys.refusals)) > 0;
        if (busy) await elapsed(100);
      }
    }
  }

  /** No answer had its end: it was due, and went with the next script that met it; or it lives. */
  private async askBooks(life: Life): Promise<void> {
    const outcome = await this.store.get(this.tenant, { sessionId: life.id });
    const known = this.account.ending(life);
    if (outcome.kind === 'live' && known === null) return;
    if (outcome.kind !== 'ended' || !outcome.session) throw new Error(`${life.id}: the books say ${outcome.kind}`);
    const { endReason, note } = outcome.session;
    // Those who made room had no answer either.
    const [, evicter = ''] = /^for (.*)$/.exec(note ?? '') ?? [];
    if (endReason === 'evicted' && this.account.doubtful.has(evicter))
      return this.account.endAsAnswered(outcome.session);
    const due = life.state === 'reserved' && life.reservationMs < LONG_MS ? 'reservation_expired' : 'idle_timeout';
    const expected = known?.reason ?? (life.idleMs > 0 || due === 'reservation_expired' ? due : 'not at all');
    if (endReason !== expected) throw new Error(`${life.id} ended by ${endReason}, expected ${expected}`);
    this.account.endAsAnswered(outcome.session);
  }
}

const ACTS = Object.entries({
  admit: 14,
  repeat: 1,
  supersede: 1,
  confirm: 3,
  authenticate: 2,
  renew: 5,
  transfer: 3,
  end: 6,
  kill: 1,
  forbid: 1,
  sweep: 1,
}).flatMap(([act, weight]) => Array.from({ length: weight }, () => act));

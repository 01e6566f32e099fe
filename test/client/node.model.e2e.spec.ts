import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';
import { describeWith, eventually, inForm, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { FaultyFront, type Fault } from './faulty-front.js';
import { packClient, type PackedClient } from './packed-client.js';
import { TestNode } from './test-node.js';

const LIMIT = 2;
const USERS = ['alice', 'bob'];
const CONFIG = `
limits: { max_sessions_per_user: ${LIMIT} }
nodes: { lease: 30, missed_beats: 3 }
store: { decision_deadline_ms: 2000 }
`;
const keys = shardKeys({ name: 'default', shards: 1 }, 0);

type Step =
  | { do: 'admit'; user: string; at: number }
  | { do: 'end'; at: number }
  | { do: 'fault'; way: number; fault: Fault }
  | { do: 'kill-gateway'; way: number }
  | { do: 'freeze-gateway'; way: number }
  | { do: 'thaw-gateways' }
  | { do: 'kill-node' };

const way = fc.nat(1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('admit' as const),
        user: fc.constantFrom(...USERS),
        at: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), at: fc.nat(9) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('fault' as const),
        way,
        fault: fc.constantFrom<Fault>('none', 'deaf', 'mute', 'busy', 'foreign', 'closed', 'streamless'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('kill-gateway' as const), way }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('freeze-gateway' as const), way }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('thaw-gateways' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('kill-node' as const) }) },
  ),
  { minLength: 6, maxLength: 14 },
);

let packed: PackedClient;
let redis: RedisServer;
let berth: Berth;
let books: Redis;
let fronts: FaultyFront[];
let folder: string;
let runs = 0;

describeWith(['redis-server'], 'a node and its gateways, whatever fails', () => {
  beforeAll(async () => {
    packed = await packClient();
    redis = await startRedis();
    books = redis.client();
    const apps = ['admission-gateway', 'session-reaper'] as const;
    berth = await startBerth({ redisUrl: redis.url, apps: [...apps], gateways: 2, configYaml: CONFIG });
    fronts = await Promise.all(berth.gateways.map(({ url }) => FaultyFront.start(url)));
    folder = await mkdtemp(join(tmpdir(), 'berth-journal-'));
  });

  afterAll(async () => {
    await Promise.all(fronts.map((front) => front.stop()));
    await berth.stop();
    await redis.stop();
    await packed.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const thaw = () => berth.gateways.forEach(({ process }) => process.signal('SIGCONT'));
  const live = async () => (await books.zrange(keys.deadlines, '0', '-1')).toSorted();

  it('agree in the end: what callers were answered is on the books, nothing else is, and no user passes the limit', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        runs += 1;
        await new Run(`n${runs}`).follow(plan);
      }),
      { numRuns: inForm({ short: 4, long: 80 }), endOnFailure: true },
    );
  }, 3_600_000);

  class Run {
    private readonly ended = new Set<string>();
    private readonly answered = new Map<string, string>();
    private made = 0;

    constructor(private readonly name: string) {}

    async follow(plan: readonly Step[]): Promise<void> {
      let node = await this.start();
      try {
        for (const step of plan) {
          if (step.do === 'kill-node') {
            await node.process.kill();
            node = await this.start();
          } else await this.take(step, node);
          for (const user of USERS) expect(await books.zcard(keys.userSessions(user))).toBeLessThanOrEqual(LIMIT);
        }
        for (const front of fronts) front.play('none');
        thaw();
        await this.settle(node);
        for (const id of (await node.state()).held) await node.end(id);
        await eventually(async () => expect(await live()).toEqual([]));
      } finally {
        thaw();
        await node.process.stop();
      }
    }

    private async start(): Promise<TestNode> {
      return await TestNode.start(packed, {
        gateways: fronts.map(({ url }) => url),
        node: this.name,
        deadlineMs: 600,
        journal: join(folder, this.name),
      });
    }

    private async take(step: Exclude<Step, { do: 'kill-node' }>, node: TestNode): Promise<void> {
      switch (step.do) {
        case 'admit':
          await Promise.all(Array.from({ length: step.at }, () => this.admit(node, step.user)));
          break;
        case 'end': {
          const { held } = await node.state();
          const id = held[step.at % held.length];
          if (id === undefined) break;
          expect(['ended', 'unknown', 'kept']).toContain((await node.end(id)).kind);
          this.ended.add(id);
          break;
        }
        case 'fault':
          fronts[step.way]?.play(step.fault);
          break;
        case 'kill-gateway': {
          const gateway = berth.gateways[step.way]!.process;
          await gateway.kill();
          await gateway.restart();
          break;
        }
        case 'freeze-gateway':
          berth.gateways[step.way]!.process.signal('SIGSTOP');
          break;
        case 'thaw-gateways':
          thaw();
          break;
      }
    }

    private async admit(node: TestNode, user: string): Promise<void> {
      const id = `${this.name}/${(this.made += 1)}`;
      this.answered.set(id, (await node.admit(id, user)).kind);
    }

    private async settle(node: TestNode): Promise<void> {
      await eventually(async () => expect((await node.state()).undelivered).toBe(0));
      const { held, hungUp } = await node.state();
      expect(hungUp).toEqual([]);
      await eventually(async () => expect(await live()).toEqual(held.toSorted()));
      for (const id of held) expect([id, this.answered.get(id)]).toEqual([id, 'admitted']);
      for (const id of this.ended) expect(held).not.toContain(id);
      const events = (await books.xrange(keys.events, '-', '+')).filter(([, flat]) => flat.includes('session.ended'));
      const endings = events.map(([, flat]) => flat[flat.indexOf('sessionId') + 1]!);
      // Tries that a frozen gateway reads late are admitted and withdrawn, each; what a caller was answered is admitted and ended once.
      const heard = endings.filter((id) => this.answered.get(id) === 'admitted');
      expect(heard.toSorted()).toEqual([...new Set(heard)].toSorted());
      for (const id of this.ended) expect(endings).toContain(id);
    }
  }
});

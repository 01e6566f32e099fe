import { expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Redis } from 'ioredis';

import { loadConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { INBOX_STREAMS, inboxKeys, shardKeys, shardOf, tenantKeys } from '#session-core';
import { describeWith, endedAfterEach, eventually, type RedisServer } from '#testing';

import { TestBooks, onTestBooks } from '../books.fixture.js';
import { AppModule } from '../app.module.js';

const keys = shardKeys({ name: 'default', shards: 1 }, 0);
const NODE = 'b2bua-1';

describeWith(['redis-server'], 'the inbox', () => {
  let redis: RedisServer;
  let client: Redis;
  const apps = endedAfterEach<NestFastifyApplication>((app) => app.close());

  onTestBooks(
    (suite) => {
      ({ client, redis } = suite);
    },
    ['--appendonly', 'yes', '--appendfsync', 'always'],
  );

  async function startReaper({ shards = 1 } = {}) {
    const loaded = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
    const config = { ...loaded, tenants: { default: { ...loaded.tenants.default, shards } } };
    const log: { message: string; [field: string]: unknown }[] = [];
    const logger = createLogger(config, 'session-reaper', { write: (line) => log.push(JSON.parse(line) as never) });
    const app = await createApp(AppModule, { config, logger });
    apps.push(app);
    const metric = async (line: string) => {
      const { payload } = await app.inject('/metrics');
      const found = payload.split('\n').find((candidate) => candidate.startsWith(`${line} `));
      return Number(found?.slice(line.length) ?? 0);
    };
    return { app, log, metric };
  }

  /** As any server publishes it: flat text. */
  async function publish(type: string, fields: Record<string, string | number>, { number = 0, id = '*' } = {}) {
    const flat = Object.entries({ v: 1, type, ...fields }).flat();
    return (await client.xadd(inboxKeys.events(number), id, ...flat)) ?? '';
  }

  const live = async () => (await client.zrange(keys.deadlines, '0', '-1')).toSorted();
  const deadLetters = async () => {
    const entries = await client.xrange(inboxKeys.deadLetters('default'), '-', '+');
    return entries.map(([, flat]) => flat[flat.indexOf('dead.reason') + 1] ?? '');
  };
  type Pending = [id: string, consumer: string, idleMs: number, deliveries: number];
  const pending = async () =>
    (await client.xpending(inboxKeys.events(0), inboxKeys.group, '-', '+', 1_000)) as Pending[];
  /** As if each had been delivered as often as it may be, but once: nobody waits for the pauses in between. */
  const tryOften = async (entries: Pending[]) => {
    for (const [id, consumer] of entries) {
      await client.xclaim(inboxKeys.events(0), inboxKeys.group, consumer, 0, id, 'RETRYCOUNT', 7, 'JUSTID');
    }
  };
  const allAcknowledged = async () => {
    for (let number = 0; number < INBOX_STREAMS; number += 1) {
      const [group] = (await client.xinfo('GROUPS', inboxKeys.events(number)).catch(() => [[]])) as unknown[][];
      const fact = (name: string) => group?.[group.indexOf(name) + 1];
      if (group === undefined || group.length === 0) continue;
      expect([fact('pending'), fact('lag')]).toEqual([0, 0]);
    }
  };

  it('gives an epoch of the future up with its reason, and the node goes on', async () => {
    const { log } = await startReaper();
    await publish('node.heartbeat', { node: NODE, epoch: 5 });
    await publish('session.started', { sessionId: 'call', user: 'alice', node: NODE, epoch: 5 });
    await eventually(async () => expect(await live()).toEqual(['call']));
    await publish('session.started', { sessionId: 'evil', user: 'eve', node: NODE, epoch: Number.MAX_SAFE_INTEGER });
    await publish('node.heartbeat', { node: NODE, epoch: Number.MAX_SAFE_INTEGER });
    await eventually(async () => expect(await deadLetters()).toHaveLength(2));
    for (const reason of await deadLetters()) expect(reason).toContain('ten minutes ahead of the clock of Redis');
    expect(await live()).toEqual(['call']);
    await publish('node.heartbeat', { node: NODE, epoch: 4 });
    await eventually(() =>
      expect(log.filter(({ message }) => message.startsWith('Node contested'))).toMatchObject([
        { node: NODE, epoch: 4, current_epoch: 5 },
      ]),
    );
  });

  it('applies what was published before the reaper came, and what comes then, in every stream', async () => {
    for (let number = 0; number < INBOX_STREAMS; number += 1) {
      await publish('session.started', { sessionId: `before-${number}`, user: 'alice', node: NODE }, { number });
    }
    const reaper = await startReaper();
    await eventually(async () => expect(await live()).toHaveLength(INBOX_STREAMS));
    await publish('session.started', { sessionId: 'then', user: 'bob', metadata: '{"a":1}', groups: '["trunk:west"]' });
    await eventually(async () => expect(await live()).toContain('then'));
    await publish('session.activity', { sessionId: 'then', bytesSent: 12 });
    await publish('session.ended', { sessionId: 'before-0' });
    await eventually(async () => expect(await client.hget(keys.traffic('then'), 'bytesSent')).toBe('12'));
    await eventually(async () => expect(await live()).not.toContain('before-0'));
    await eventually(allAcknowledged);
    expect(await reaper.metric('berth_inbox_events_total{type="session.started",outcome="applied"}')).toBe(5);
  });

  it('keeps a refusal of a server with its fields of the session', async () => {
    await startReaper();
    const facts = { sourceIp: '192.0.2.7', sourcePort: '1080', destination: '198.51.100.7:25', protocol: 'socks' };
    await publish('session.rejected', { user: 'alice', rule: 'block-25', decision: 'deny', ...facts });
    await eventually(async () => {
      const [entry] = await client.xrange(keys.rejections, '-', '+');
      const expected = ['rule', 'block-25', 'decision', 'deny', ...Object.entries(facts).flat()];
      expect(entry?.[1]).toEqual(expect.arrayContaining(expected));
    });
  });

  it('a beat and a snapshot work as over HTTP', async () => {
    await startReaper();
    await publish('node.heartbeat', { node: NODE, epoch: 7, activeSessions: 1 });
    await eventually(async () => {
      expect(await client.hgetall(tenantKeys('default').node(NODE))).toMatchObject({
        epoch: '7',
        via: 'inbox',
        state: 'live',
      });
    });
    const [seconds] = await client.time();
    const sessions = [{ id: 'held', user: 'alice', startedAt: new Date().toISOString() }];
    await publish('node.snapshot', {
      node: NODE,
      epoch: 7,
      mark: Number(seconds) * 1_000,
      part: 1,
      parts: 1,
      sessions: JSON.stringify(sessions),
    });
    await eventually(async () => expect(await live()).toEqual(['held']));
  });

  it.each([
    ['an unknown type', 'session.nonsense', {}, /no-handler|type/],
    ['another version', 'session.ended', { v: '2', sessionId: 'x' }, /v is 2/],
    ['a missing id', 'session.ended', {}, /sessionId/],
    ['an id that is too long', 'session.ended', { sessionId: 'x'.repeat(257) }, /sessionId/],
    [
      'a date in the future',
      'session.ended',
      { sessionId: 'x', at: Date.now() + 3_600_000 },
      /at: must not be in the future/,
    ],
    ['broken JSON', 'session.started', { sessionId: 'x', user: 'alice', metadata: '{' }, /metadata: must be JSON/],
    ['an unknown tenant', 'session.ended', { sessionId: 'x', tenant: 'nobody' }, /tenant/],
    ['an empty list that is no evidence', 'node.snapshot', { node: NODE, epoch: 7, mark: 1, sessions: '[]' }, /none/],
  ])('%s goes to the dead letters with the reason, and stops nothing', async (_, type, fields, reason) => {
    await client.hset(tenantKeys('default').node(NODE), { epoch: 7, state: 'live', change: 0 });
    await client.hset(keys.nodes, NODE, '7');
    const reaper = await startReaper();
    await publish(type, fields);
    await publish('session.started', { sessionId: 'good', user: 'alice' });
    await eventually(async () => expect(await live()).toEqual(['good']));
    await eventually(async () => expect(await deadLetters()).toEqual([expect.stringMatching(reason)]));
    await eventually(async () => expect(await reaper.metric('berth_dead_letters_total')).toBe(1));
    await eventually(allAcknowledged);
  });

  it('a start that is older than 45 s creates nothing, and asks the node for a snapshot', async () => {
    await client.hset(tenantKeys('default').node(NODE), { epoch: 7, state: 'live', snapshot_wanted: 0 });
    const [seconds] = await client.time();
    const id = `${(Number(seconds) - 60) * 1_000}-0`;
    await publish('session.started', { sessionId: 'late', user: 'alice', node: NODE }, { id });
    await startReaper();
    await eventually(async () =>
      expect(await client.hget(tenantKeys('default').node(NODE), 'snapshot_wanted')).toBe('1'),
    );
    expect(await live()).toEqual([]);
  });

  it('an event that is replayed is as old as when it first arrived, and none is newer than its entry', async () => {
    const node = tenantKeys('default').node(NODE);
    await client.hset(node, { epoch: 7, state: 'live', snapshot_wanted: 0 });
    const [seconds] = await client.time();
    const [longAgo, soon] = [(Number(seconds) - 3_600) * 1_000, (Number(seconds) + 3_600) * 1_000];
    await publish('session.started', { sessionId: 'old', user: 'alice', node: NODE, arrivedAt: longAgo });
    await publish('node.heartbeat', { node: NODE, epoch: 7, arrivedAt: longAgo });
    await publish(
      'session.started',
      { sessionId: 'forged', user: 'alice', arrivedAt: soon },
      { id: `${longAgo}-1`, number: 1 },
    );
    const reaper = await startReaper();
    const applied = (type: string) => reaper.metric(`berth_inbox_events_total{type="${type}",outcome="applied"}`);
    await eventually(async () => expect(await applied('session.started')).toBe(2));
    await eventually(async () => expect(await applied('node.heartbeat')).toBe(1));
    expect(await live()).toEqual([]);
    expect(await client.hget(node, 'snapshot_wanted')).toBe('1');
    const lastBeat = await client.zscore(tenantKeys('default').heartbeats, NODE);
    expect(Number(lastBeat ?? longAgo)).toBe(longAgo);
  });

  it('an event that fails for ever takes no other with it, and ends as a dead letter', async () => {
    const [good, bad] = [600, 150];
    for (let index = 0; index < bad; index += 1) await client.rpush(keys.userSessions(`bad-${index}`), 'foreign');
    for (let index = 0; index < good; index += 1) {
      if (index < bad) await publish('session.started', { sessionId: `bad-${index}`, user: `bad-${index}` });
      await publish('session.started', { sessionId: `good-${index}`, user: `user-${index % 9}` });
    }
    const reaper = await startReaper();
    await eventually(async () => expect(await live()).toHaveLength(good));
    await eventually(async () => expect((await pending()).length).toBe(bad));
    expect(await reaper.metric('berth_inbox_events_total{type="session.started",outcome="applied"}')).toBe(good);
    await tryOften(await pending());
    await eventually(async () => expect(await deadLetters()).toHaveLength(bad));
    expect(new Set(await deadLetters())).toEqual(new Set([expect.stringMatching(/^failed \d+ times: .*WRONGTYPE/)]));
    await eventually(allAcknowledged);
  });

  it('an event that could mean several sessions is a dead letter at once', async () => {
    const tenant = { name: 'default', shards: 2 };
    await new TestBooks(client, tenant).open();
    await startReaper({ shards: 2 });
    const users = [0, 1].map(
      (shard) => `user-${['a', 'b', 'c', 'd'].find((letter) => shardOf(tenant, `user-${letter}`) === shard)}`,
    );
    for (const user of users) await publish('session.started', { sessionId: 'twice', user });
    await eventually(async () => {
      for (const shard of [0, 1]) expect(await client.zcard(shardKeys(tenant, shard).deadlines)).toBe(1);
    });
    await publish('session.ended', { sessionId: 'twice' });
    await eventually(async () =>
      expect(await deadLetters()).toEqual([expect.stringMatching(/live for several users/)]),
    );
  });

  it('goes on when Redis was away, without loss and without a dead letter', async () => {
    await startReaper();
    await publish('session.started', { sessionId: 'a', user: 'alice' });
    await eventually(async () => expect(await live()).toEqual(['a']));
    await redis.kill();
    await redis.restart();
    await eventually(async () => {
      await publish('session.started', { sessionId: 'b', user: 'alice' });
    });
    await eventually(async () => expect(await live()).toEqual(['a', 'b']));
    expect(await deadLetters()).toEqual([]);
  });

  it('goes on after FLUSHALL', async () => {
    await startReaper();
    await publish('session.started', { sessionId: 'a', user: 'alice' });
    await eventually(async () => expect(await live()).toEqual(['a']));
    await client.flushall();
    await new TestBooks(client).open();
    await publish('session.started', { sessionId: 'b', user: 'alice' });
    await eventually(async () => expect(await live()).toEqual(['b']));
  });

  it('with several replicas applies each event once', async () => {
    await Promise.all([startReaper(), startReaper()]);
    for (let index = 0; index < 500; index += 1) {
      await publish(
        'session.started',
        { sessionId: `call-${index}`, user: `user-${index % 9}` },
        { number: index % 4 },
      );
    }
    await eventually(async () => expect(await live()).toHaveLength(500));
    const entries = await client.xrange(keys.events, '-', '+');
    expect(entries.filter(([, flat]) => flat.includes('session.admitted'))).toHaveLength(500);
  });
});

import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';
import { describeWith, eventually, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { FaultyFront } from './faulty-front.js';
import { packClient, type PackedClient } from './packed-client.js';
import { TestNode } from './test-node.js';

const LEASE_S = 4;
const CONFIG = `
limits: { max_sessions_per_user: 0 }
nodes: { lease: ${LEASE_S}, missed_beats: 3, snapshot_interval: 8 }
store: { decision_deadline_ms: 2000 }
`;
const keys = shardKeys({ name: 'default', shards: 1 }, 0);

let packed: PackedClient;
let redis: RedisServer;
let berth: Berth;
let books: Redis;
let front: FaultyFront;
let folder: string;
const nodes: TestNode[] = [];

describeWith(['redis-server'], 'a node', () => {
  beforeAll(async () => {
    packed = await packClient();
  });

  beforeEach(async () => {
    redis = await startRedis();
    books = redis.client();
    berth = await startBerth({ redisUrl: redis.url, configYaml: CONFIG });
    front = await FaultyFront.start(berth.app('admission-gateway').url);
    folder = await mkdtemp(join(tmpdir(), 'berth-journal-'));
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.process.stop()));
    await front.stop();
    await berth.stop();
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  });

  afterAll(async () => packed.remove());

  const live = async () => (await books.zrange(keys.deadlines, '0', '-1')).toSorted();

  async function endings(): Promise<Record<string, string>[]> {
    const events = await books.xrange(keys.events, '-', '+');
    const read = events.map(([, flat]) => Object.fromEntries(pairs(flat)));
    return read.filter(({ type }) => type === 'session.ended');
  }

  const options = (more: object = {}) => ({
    gateways: front.url,
    node: 'n1',
    deadlineMs: 3_000,
    journal: join(folder, 'n1.journal'),
    ...more,
  });

  async function start(more: object = {}): Promise<TestNode> {
    const node = await TestNode.start(packed, options(more));
    nodes.push(node);
    return node;
  }

  async function admitMany(node: TestNode, count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, number) => `c${number}`);
    for (const id of ids) expect(await node.admit(id, 'alice')).toEqual({ kind: 'admitted' });
    return ids;
  }

  it('loses nothing while its event loop is blocked for 10 s', async () => {
    const node = await start();
    const ids = await admitMany(node, 5);
    await node.ask('block', { ms: 10_000 });
    expect(await live()).toEqual(ids);
    expect(await endings()).toEqual([]);
    expect(await node.state()).toMatchObject({ held: ids, hungUp: [] });
  });

  it('gets its slots freed within its lease when it is killed', async () => {
    const node = await start();
    await admitMany(node, 5);
    await node.process.kill();
    await eventually(async () => expect(await live()).toEqual([]));
    expect(new Set((await endings()).map(({ reason }) => reason))).toEqual(new Set(['node_lost']));
  });

  it.each(['none', 'streamless'] as const)(
    'hangs up what an operator ends, with commands over a way that is %s',
    async (fault) => {
      front.play(fault);
      const node = await start();
      await admitMany(node, 3);
      const url = `${berth.app('limits-admin').url}/api/sessions/c1`;
      expect((await fetch(url, { method: 'DELETE' })).status).toBe(200);
      await eventually(async () => expect((await node.state()).hungUp).toEqual(['c1 killed']));
      await eventually(async () => expect(await books.exists(keys.commands('n1'))).toBe(0));
      expect(await node.state()).toMatchObject({ held: ['c0', 'c2'] });
    },
  );

  it('brings its sessions back onto books that were lost', async () => {
    const node = await start();
    const ids = await admitMany(node, 700);
    await books.flushall();
    await eventually(async () => expect(await live()).toEqual(ids.toSorted()));
    expect((await node.state()).hungUp).toEqual([]);
  }, 180_000);

  it('delivers the ends that a killed run could not, before its own first beat', async () => {
    const node = await start({ deadlineMs: 500 });
    await admitMany(node, 4);
    front.play('closed');
    for (const id of ['c0', 'c1', 'c2']) expect(await node.end(id, { bytesSent: 42 })).toEqual({ kind: 'kept' });
    await node.process.kill();
    front.play('none');
    const next = await start();
    await eventually(async () => expect(await live()).toEqual([]));
    const byId = new Map((await endings()).map((ended) => [ended['sessionId'], ended]));
    for (const id of ['c0', 'c1', 'c2']) expect(byId.get(id)).toMatchObject({ reason: 'completed', bytesSent: '42' });
    expect(byId.get('c3')).toMatchObject({ reason: 'node_restarted' });
    expect((await next.state()).undelivered).toBe(0);
    await eventually(async () => expect(await readFile(join(folder, 'n1.journal'), 'utf8')).toBe(''));
  });

  it('reads a journal whose last line was cut short', async () => {
    const node = await start();
    await admitMany(node, 2);
    front.play('closed');
    expect(await node.end('c0')).toEqual({ kind: 'kept' });
    await node.process.kill();
    const path = join(folder, 'n1.journal');
    await appendFile(path, '{"n":2,"fact":{"v":1,"type":"sess');
    front.play('none');
    await start();
    await eventually(async () => expect(await live()).toEqual([]));
    expect((await endings()).find(({ sessionId }) => sessionId === 'c0')).toMatchObject({ reason: 'completed' });
  });

  it('keeps its sessions when it is cut off for longer than its lease, and gets them back', async () => {
    const node = await start();
    const ids = await admitMany(node, 5);
    front.play('deaf');
    await eventually(async () => expect(await live()).toEqual([]));
    front.play('none');
    await eventually(async () => expect(await live()).toEqual(ids));
    expect(await node.state()).toMatchObject({ held: ids, hungUp: [] });
  });

  it('hangs its sessions up when it is cut off, if that is wanted', async () => {
    const node = await start({ onLost: 'hangup' });
    const ids = await admitMany(node, 3);
    front.play('deaf');
    await eventually(async () => expect((await node.state()).hungUp).toEqual(ids.map((id) => `${id} node_lost`)));
  });

  it('refuses new sessions while it drains, and leaves nothing behind when it leaves', async () => {
    const node = await start();
    await admitMany(node, 2);
    await node.ask('drain');
    expect(await node.admit('c9', 'alice')).toEqual({ kind: 'node-draining' });
    expect(await node.end('c0')).toEqual({ kind: 'ended' });
    expect(await live()).toEqual(['c1']);
    const { epoch } = await node.state();
    expect(await node.ask('leave')).toEqual({});
    expect(await live()).toEqual([]);
    const late = await fetch(`${front.url}/v1/nodes/n1/heartbeat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ epoch }),
    });
    expect(late.status).toBe(409);
    expect((await endings()).map(({ reason }) => reason)).toEqual(['completed', 'completed']);
  });

  it('says at its start that the journal cannot be written', async () => {
    const journal = join(folder, 'missing', 'n1.journal');
    expect(await TestNode.refusal(packed, options({ journal }))).toContain('refused journal-unwritable: The journal');
  });

  it('says at its start that its key is wrong', async () => {
    const hash = `sha256:${createHash('sha256').update('right').digest('hex')}`;
    const configYaml = `auth: { keys: [{ id: k1, hash: '${hash}', role: node }] }\n`;
    const closed = await startBerth({ redisUrl: redis.url, apps: ['admission-gateway'], configYaml });
    try {
      const gateways = closed.app('admission-gateway').url;
      expect(await TestNode.refusal(packed, options({ gateways, key: 'wrong' }))).toContain('refused unauthorized: ');
      nodes.push(await TestNode.start(packed, options({ gateways, key: 'right' })));
    } finally {
      await closed.stop();
    }
  });

  it('says at its start that the name has a newer run', async () => {
    await start({ epoch: 200 });
    const said = await TestNode.refusal(packed, options({ epoch: 100, journal: join(folder, 'other') }));
    expect(said).toContain('refused stale-epoch: n1 has the run 200, newer than this one (100)');
  });

  it('starts while no gateway answers, and beats when one does', async () => {
    front.play('closed');
    const node = await start({ onUnavailable: 'allow', ceiling: 2 });
    expect(await node.admit('c0', 'alice')).toEqual({ kind: 'let-through' });
    front.play('none');
    await eventually(async () => expect(await live()).toEqual(['c0']));
    await eventually(async () => expect((await node.state()).undelivered).toBe(0));
    expect((await node.state()).problems).toEqual([]);
  });
});

function* pairs(flat: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < flat.length; at += 2) yield [flat[at]!, flat[at + 1]!];
}

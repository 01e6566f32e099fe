import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, expect, it } from '@jest/globals';

import { inboxKeys, shardKeys } from '#session-core';
import {
  describeWith,
  endedAfterEach,
  eventually,
  startBerth,
  startRedis,
  type Berth,
  type BerthOptions,
  type RedisServer,
} from '#testing';

import { FleetNode } from './fleet-node.js';

const LEASE_S = 3;
const keys = shardKeys({ name: 'default', shards: 1 }, 0);
const configYaml = (leaseS: number) => `
limits: { max_sessions_per_user: 0 }
nodes: { lease: ${leaseS}, missed_beats: 3, snapshot_interval: ${2 * leaseS} }
store: { decision_deadline_ms: 2000 }
`;

let redis: RedisServer | undefined;
let berth: Berth | undefined;
const nodes = endedAfterEach<FleetNode>((node) => node.kill());

afterEach(async () => {
  await berth?.stop();
  await redis?.stop();
  [redis, berth] = [undefined, undefined];
});

async function start(options: Partial<BerthOptions> = {}, leaseS: number = LEASE_S) {
  redis = await startRedis();
  berth = await startBerth({ redisUrl: redis.url, configYaml: configYaml(leaseS), ...options });
  const client = redis.client();
  const urls = berth.gateways.map(({ url }) => url);
  return {
    redis,
    berth,
    client,
    node(name: string) {
      const node = new FleetNode(name, urls).start((leaseS * 1_000) / 3);
      nodes.push(node);
      return node;
    },
    liveIds: async () => (await client.zrange(keys.deadlines, '0', '-1')).toSorted(),
    /** Every ending that was ever written. */
    async endings() {
      const events = await client.xrange(keys.events, '-', '+');
      return events.flatMap(([, flat]) => (flat.includes('session.ended') ? [flat[flat.indexOf('reason') + 1]] : []));
    },
  };
}

/** Begins so many calls on the node, and returns it. */
async function callMany(node: FleetNode, count: number): Promise<FleetNode> {
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const lane = async () => {
    for (const number of numbers) {
      await eventually(async () =>
        expect([200, 201]).toContain(await node.call(`${node.name}/${number}`, `u${number}`)),
      );
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  return node;
}

const heldBy = (...fleet: FleetNode[]) => fleet.flatMap((node) => [...node.calls.keys()]).toSorted();

describeWith(['redis-server'], 'a fleet of nodes', () => {
  it('gets the places of a killed node back within its lease and 5 s, and loses no other', async () => {
    const fleet = await start();
    const [killed, other] = [fleet.node('b2bua-1'), fleet.node('b2bua-2')];
    await callMany(killed, 2_000);
    await callMany(other, 200);
    await eventually(async () => expect(await fleet.liveIds()).toHaveLength(2_200));
    await killed.kill();
    // Twice the promise: the machine has other things to do.
    await eventually(async () => expect(await fleet.client.zcard(keys.deadlines)).toBe(200), {
      timeoutMs: 2 * (LEASE_S + 5) * 1_000,
    });
    expect(Date.now() - killed.beatAt).toBeGreaterThanOrEqual(LEASE_S * 1_000);
    expect(await fleet.liveIds()).toEqual(heldBy(other));
    expect(new Set(await fleet.endings())).toEqual(new Set(['node_lost']));
    expect(other.hungUp).toEqual([]);
  });

  it('ends what a run held that died before its first beat, though its gateway was killed right after the admission', async () => {
    const fleet = await start();
    const gateway = fleet.berth.app('admission-gateway');
    const post = async (path: string, body: object) =>
      (
        await fetch(`${gateway.url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).status;
    await eventually(async () => expect(await post('/v1/nodes/n/heartbeat', { epoch: 100 })).toBe(200));
    expect(await post('/v1/sessions', { sessionId: 'c1', user: 'u', node: 'n', epoch: 100 })).toBe(201);
    expect(await post('/v1/sessions', { sessionId: 'c2', user: 'u', node: 'n', epoch: 200 })).toBe(201);
    await gateway.process.kill();
    await gateway.process.restart();
    await eventually(async () => expect(await fleet.liveIds()).toEqual([]), { timeoutMs: 60_000 });
    expect(new Set(await fleet.endings())).toEqual(new Set(['node_lost', 'node_restarted']));
    expect(await post('/v1/sessions', { sessionId: 'c3', user: 'u', node: 'n', epoch: 200 })).toBe(409);
  }, 90_000);

  it('loses no session while the store is stopped for 30 s, nor while its only gateway is down for 30 s', async () => {
    const fleet = await start({}, 6);
    const one = await callMany(fleet.node('b2bua-1'), 100);
    const two = await callMany(fleet.node('b2bua-2'), 100);
    const before = heldBy(one, two);

    fleet.redis.pause();
    await delay(30_000);
    fleet.redis.resume();
    await delay(9_000); // a lease and a half: a node that would be lost is lost by then
    expect(await fleet.liveIds()).toEqual(before);

    const gateway = fleet.berth.app('admission-gateway');
    await gateway.process.kill();
    await delay(30_000);
    await gateway.process.restart();
    await delay(9_000);
    expect(await fleet.liveIds()).toEqual(before);
    expect(await fleet.endings()).toEqual([]);
    expect([...one.hungUp, ...two.hungUp]).toEqual([]);
  }, 150_000);

  // A lease that a busy machine keeps: a node that missed it again would be taken back twice.
  it('takes a node back that was cut off for longer than its lease, without a single hang-up', async () => {
    const fleet = await start({}, 6);
    const cut = await callMany(fleet.node('b2bua-1'), 300);
    const other = await callMany(fleet.node('b2bua-2'), 10);
    cut.setCut(true);
    await eventually(async () => expect(await fleet.client.zcard(keys.deadlines)).toBe(10));
    cut.setCut(false);
    await eventually(async () => expect(await fleet.liveIds()).toEqual(heldBy(cut, other)));
    expect(cut.calls.size).toBe(300);
    expect(cut.hungUp).toEqual([]);
    const adopted = await fleet.client.xrange(keys.events, '-', '+');
    expect(adopted.filter(([, flat]) => flat.includes('session.adopted'))).toHaveLength(300);
  });

  it('has its books right again within a snapshot interval of FLUSHALL, under load', async () => {
    const fleet = await start({ gateways: 2 });
    const three = ['b2bua-1', 'b2bua-2', 'b2bua-3'].map((name) => fleet.node(name));
    await Promise.all(three.map((node) => callMany(node, 100)));
    const load = new AbortController();
    const churn = Promise.all(
      three.map(async (node) => {
        for (let number = 1_000; !load.signal.aborted; number += 1) {
          await node.call(`${node.name}/${number}`, `u${number}`);
          if (number % 2 === 0) await node.end(`${node.name}/${number - 1}`);
        }
      }),
    );
    await delay(1_000);
    await fleet.client.flushall();
    await delay(2 * LEASE_S * 1_000);
    load.abort();
    await churn;
    await eventually(async () => expect(await fleet.liveIds()).toEqual(heldBy(...three)));
    expect(three.flatMap(({ hungUp }) => hungUp)).toEqual([]);
  });

  it('survives a scale-down: five of seven pods leave together, a gateway is killed meanwhile, and nothing is lost or trips', async () => {
    const fleet = await start({ gateways: 2 });
    const pods = Array.from({ length: 7 }, (_, i) => fleet.node(`pod-${i}`));
    await Promise.all(pods.map((pod) => callMany(pod, 300)));
    const [stays, leaves] = [pods.slice(0, 2), pods.slice(2)];
    const leaving = Promise.all(leaves.map((pod) => pod.leave()));
    await eventually(async () => expect(await fleet.endings()).not.toEqual([]));
    await fleet.berth.gateways[0]!.process.kill();
    await leaving;
    await eventually(async () => expect(await fleet.liveIds()).toEqual(heldBy(...stays)));
    await delay(2 * LEASE_S * 1_000); // a node that would be lost is lost by then
    expect(await fleet.liveIds()).toEqual(heldBy(...stays));
    expect(await fleet.endings()).toEqual(Array<string>(1_500).fill('completed'));
    const admin = fleet.berth.app('limits-admin').url;
    const listed = async (what: string) => (await (await fetch(`${admin}/api/sessions/${what}`)).json()) as object;
    expect(await listed('fuses')).toMatchObject({ total: 0 });
    expect(await listed('nodes')).toMatchObject({ nodes: stays.map(({ name: node }) => ({ node, state: 'live' })) });
  }, 60_000);

  it('really ends what an operator ends', async () => {
    const fleet = await start();
    const node = fleet.node('b2bua-1');
    await callMany(node, 20);
    const admin = fleet.berth.app('limits-admin').url;
    for (const id of ['b2bua-1/3', 'b2bua-1/7']) {
      expect((await fetch(`${admin}/api/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' })).status).toBe(200);
    }
    await eventually(() => expect(node.hungUp.toSorted()).toEqual(['b2bua-1/3', 'b2bua-1/7']));
    await eventually(async () => expect(await fleet.client.exists(keys.commands('b2bua-1'))).toBe(0));
  });

  it('loses no event and applies none twice while its reapers are killed again and again', async () => {
    redis = await startRedis();
    const client = redis.client();
    const reapers = await Promise.all(
      [1, 2].map(() => startBerth({ redisUrl: redis!.url, apps: ['session-reaper'], configYaml: configYaml(LEASE_S) })),
    );
    berth = { ...reapers[0]!, stop: async () => void (await Promise.all(reapers.map((reaper) => reaper.stop()))) };
    const publish = async (number: number, type: string, fields: string[] = []) =>
      await client.xadd(
        inboxKeys.events(number % 4),
        '*',
        'v',
        '1',
        'type',
        type,
        'sessionId',
        `call-${number}`,
        ...fields,
      );
    for (let number = 0; number < 1_500; number += 1) {
      await publish(number, 'session.started', ['user', `user-${number % 50}`]);
      if (number % 3 === 0) await publish(number, 'session.ended');
      if (number % 300 === 299) {
        const { process } = reapers[(number / 300) % 2 < 1 ? 0 : 1]!.app('session-reaper');
        await process.kill();
        await process.restart();
      }
    }
    const expected = Array.from({ length: 1_500 }, (_, number) => number).filter((number) => number % 3 !== 0);
    // What a killed one had in hand is taken over when it has been silent for 30 s.
    await eventually(async () => expect(await client.zcard(keys.deadlines)).toBe(expected.length), {
      timeoutMs: 90_000,
    });
    const ended = (await client.xrange(keys.events, '-', '+')).filter(([, flat]) => flat.includes('session.ended'));
    const ids = ended.map(([, flat]) => flat[flat.indexOf('sessionId') + 1]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await client.xlen(inboxKeys.deadLetters('default'))).toBe(0);
  }, 180_000);
});

import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Cluster } from 'ioredis';

import { groupLag, StreamsServer, trimStream, type StreamEntry } from '#event-streams';
import { describeWith, endedAfterEach, eventually, migrateSlot, startRedisCluster, type RedisCluster } from '#testing';

import { DEAD, GROUP, ids, Facts } from './test-streams.js';

describeWith(['redis-server'], 'on a Redis Cluster', () => {
  let cluster: RedisCluster;
  let client: Cluster;
  const servers = endedAfterEach<StreamsServer>((server) => server.close());

  beforeAll(async () => {
    cluster = await startRedisCluster({ masters: 3, replicas: 1 });
    client = cluster.client();
  }, 120_000);
  afterAll(() => cluster?.stop());

  /** Six streams with tags of their own, spread over the masters, and one more in the slot of the first. */
  const newStreams = () => {
    const run = randomUUID().slice(0, 8);
    const spread = Array.from({ length: 6 }, (_, i) => `run:{${run}/${i}}:events`);
    return [...spread, `run:{${run}/0}:more`];
  };
  const publish = async (streams: string[], events: string[], type = 'session.ended') => {
    for (const [i, id] of events.entries()) {
      await client.xadd(streams[i % streams.length] ?? '', '*', 'v', '1', 'id', id, 'type', type);
    }
  };
  const serve = (streams: string[], handle: (entry: StreamEntry) => unknown, deadLetterStream = DEAD) => {
    const facts = new Facts();
    const server = new StreamsServer({
      streams,
      group: GROUP,
      deadLetterStream,
      observer: facts.observer,
      connect: () => cluster.client(),
      blockMs: 50,
      claimIdleMs: 1_000,
      retryMs: 10,
      maxDeliveries: 3,
    });
    server.addHandler('session.ended', async (entry: StreamEntry) => handle(entry), true);
    server.listen(() => {});
    servers.push(server);
    return { server, facts };
  };
  const lags = async (streams: string[]) =>
    (await Promise.all(streams.map((stream) => groupLag(client, stream, GROUP)))).map((lag) => lag?.entries);
  const settled = (streams: string[]) =>
    eventually(async () => expect(await lags(streams)).toEqual(streams.map(() => 0)));

  it('reads streams of several slots, and trims each where it is', async () => {
    const streams = newStreams();
    const seen = new Set<string>();
    serve(streams, ({ fields }) => seen.add(fields['id'] ?? ''));
    await publish(streams, ids(350));
    await eventually(() => seen.size === 350);
    await settled(streams);
    for (const stream of streams) {
      const trimmed = await trimStream(client, stream, { groupAgeMs: 60_000, maxLength: 1_000 });
      expect(trimmed).toMatchObject({ behind: 50, losses: [] });
    }
  });

  it('writes dead letters into the same slot in one step, and into another one with a key that tells a repeat', async () => {
    const streams = newStreams();
    const [stream = ''] = streams;
    for (const target of [stream.replace('events', 'dead'), `${randomUUID()}-dead`]) {
      const { server } = serve([stream], () => {}, target);
      await publish([stream], ['x', 'y'], 'no.such.type');
      await eventually(async () => expect(await client.xlen(target)).toBe(2));
      await settled([stream]);
      await server.close();
      const keys = (await client.xrange(target, '-', '+')).map(([, fields]) => fields[fields.indexOf('dead.key') + 1]);
      expect(new Set(keys).size).toBe(2);
      expect(keys[0]).toMatch(new RegExp(`^${GROUP}\\|run:.*\\|\\d+-\\d+$`));
    }
  });

  /** A server that has handled seventy events, ten of each stream. */
  const reading = async () => {
    const streams = newStreams();
    const seen = new Set<string>();
    const { facts } = serve(streams, ({ fields }) => seen.add(fields['id'] ?? ''));
    await publish(streams, ids(70, 'before'));
    await eventually(() => seen.size === 70);
    return { streams, seen, facts };
  };

  it('goes on while a slot moves to another master', async () => {
    const { streams, seen, facts } = await reading();
    const slot = await cluster.slotOf(streams[0] ?? '');
    const from = await cluster.masterOf(slot);
    const to = await cluster.masterOf(from === (await cluster.masterOf(0)) ? 16_383 : 0);
    const migration = await migrateSlot(cluster, slot, to);
    await migration.moveKeys(1);
    const publishing = publish(streams.slice(1, 6), ids(50, 'while'));
    await migration.finish();
    await publishing;
    await publish(streams, ids(70, 'after'));
    await eventually(() => expect(seen.size).toBe(190));
    await settled(streams);
    expect(facts.of('groupRecreated')).toEqual([]);
  });

  it('goes on after the master of a slot was killed and its replica took over', async () => {
    const { streams, seen, facts } = await reading();
    await settled(streams);
    await client.wait(1, 1_000).catch(() => {});
    await cluster.failover(await cluster.slotOf(streams[0] ?? ''));
    const after = ids(70, 'after');
    await eventually(() => publish(streams, after).then(() => true));
    await eventually(() => expect([...seen]).toEqual(expect.arrayContaining(after)));
    await settled(streams);
    expect(facts.of('entriesLost')).toEqual([]);
  }, 120_000);
});

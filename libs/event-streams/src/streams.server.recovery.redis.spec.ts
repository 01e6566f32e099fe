import { expect, it } from '@jest/globals';

import { groupLag } from './index.js';
import { describeWith, endedAfterEach, eventually, startRedis, type RedisServer } from '#testing';

import { DEAD, GROUP, ids, TestStreams, type ServerOptions, onTestStreams } from '../test/test-streams.js';

describeWith(['redis-server'], 'a streams server recovers', () => {
  let lab: TestStreams;
  const others = endedAfterEach<RedisServer>((server) => server.stop());

  onTestStreams((started) => (lab = started));

  const startOther = async (options: Parameters<typeof startRedis>[0] = {}) => {
    const server = await startRedis(options);
    others.push(server);
    return server;
  };

  const serve = (options: ServerOptions = {}, on = lab) => {
    const seen: string[] = [];
    const handlers = {
      'session.ended': ({ fields }: { fields: Record<string, string> }) => void seen.push(fields['id'] ?? ''),
    };
    return { ...on.serve({ handlers, ...options }), seen };
  };
  const settled = (on = lab) => eventually(async () => (await on.pending()) === 0, { what: 'nothing to be pending' });
  const reading = (seen: string[], id = 'first', on = lab) =>
    on.publish([id]).then(() => eventually(() => seen.includes(id)));

  /** A server on a Redis of its own, which has handled an event. */
  const readingOther = async () => {
    const server = await startOther();
    const other = new TestStreams(server);
    other.stream = 'events';
    const { seen, facts } = serve({}, other);
    await reading(seen, 'first', other);
    return { server, other, seen, facts };
  };

  it('from a lost group: it is made again from the beginning of the stream', async () => {
    const { seen, facts } = serve();
    await reading(seen);
    await lab.client.xgroup('DESTROY', lab.stream, GROUP);
    await lab.publish(['second']);
    await eventually(() => seen.includes('second'));
    expect(facts.of('groupRecreated')).toEqual([{ stream: lab.stream, group: GROUP }]);
    expect(facts.of('readFailed')).toEqual([]);
    await settled();
  });

  it('from a deleted stream, also while it waits for entries', async () => {
    const { seen, facts } = serve({ blockMs: 5_000, claimIdleMs: 60_000 });
    await reading(seen);
    await lab.client.del(lab.stream);
    await lab.publish(['second']);
    await eventually(() => seen.includes('second'));
    expect(facts.of('groupRecreated')).toHaveLength(1);
  });

  it('from FLUSHALL in the middle of its work: all that is published afterwards is handled', async () => {
    const { seen, facts } = serve();
    await reading(seen);
    for (let round = 0; round < 5; round += 1) {
      await lab.publish(ids(300, `r${round}-`));
      await lab.client.flushall();
      await lab.publish(ids(10, `after${round}-`));
      await eventually(() => expect(seen).toEqual(expect.arrayContaining(ids(10, `after${round}-`))));
    }
    expect(facts.of('groupRecreated').length).toBeGreaterThanOrEqual(5);
    await settled();
  });

  it('from a flushed script cache', async () => {
    const { seen } = serve();
    await reading(seen);
    await lab.client.script('FLUSH');
    await lab.publish(['x'], 'no.such.type');
    await eventually(async () => (await lab.deadLetters()).length === 1);
    await lab.client.script('FLUSH');
    expect(await groupLag(lab.client, lab.stream, GROUP)).toMatchObject({ unread: 0 });
  });

  it('from entries that were trimmed while they were pending under its own name: counted as lost, and acknowledged', async () => {
    const [gone = '', kept = ''] = await lab.publish(['gone', 'kept']);
    await lab.leavePending('me', 2);
    await lab.client.xtrim(lab.stream, 'MINID', kept);
    const { seen, facts } = serve({ consumer: 'me' });
    await settled();
    expect(seen).toEqual(['kept']);
    await eventually(() =>
      expect(facts.of('entriesLost')).toEqual([{ stream: lab.stream, group: GROUP, streamIds: [gone] }]),
    );
  });

  it('from entries that were trimmed while they were pending under the name of a dead one: counted as lost', async () => {
    const [gone = '', kept = ''] = await lab.publish(['gone', 'kept']);
    await lab.leavePending('somebody-dead', 2);
    await lab.client.xtrim(lab.stream, 'MINID', kept);
    const { seen, facts } = serve();
    await settled();
    await eventually(() => expect(seen).toEqual(['kept']));
    await eventually(() =>
      expect(facts.of('entriesLost')).toEqual([{ stream: lab.stream, group: GROUP, streamIds: [gone] }]),
    );
  });

  it('from a Redis that was killed and restarted, empty or not, without a restart of its own', async () => {
    const server = await startOther({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const other = new TestStreams(server);
    other.stream = 'events';
    const { seen, facts } = serve({}, other);
    await reading(seen, 'first', other);
    await server.kill();
    await eventually(() => facts.of('readFailed').length === 1);
    await server.restart();
    await other.publish(['second']);
    await eventually(() => seen.includes('second'));
    await eventually(() => facts.of('recovered').length === 1);
    expect(facts.of('groupRecreated')).toEqual([]);
    expect(facts.of('readFailed')).toHaveLength(1);
    await settled(other);
    await other.client.flushall();
    await server.kill();
    await server.restart();
    await other.publish(['third']);
    await eventually(() => seen.includes('third'));
    await other.close();
  });

  it('starts without Redis, and stops without it, at once', async () => {
    const server = await startOther();
    const other = new TestStreams(server);
    other.stream = 'events';
    await server.kill();
    const { seen, facts, server: streams } = serve({ drainMs: 30_000 }, other);
    await eventually(() => facts.of('readFailed').length === 1);
    await server.restart();
    await reading(seen, 'first', other);
    await server.kill();
    await eventually(() => facts.of('readFailed').length === 2);
    const start = performance.now();
    await streams.close();
    expect(performance.now() - start).toBeLessThan(20_000); // the drain, 30 s, is for what is in hand
  });

  it('from a Redis that hangs and keeps its connections', async () => {
    const { server, other, seen, facts } = await readingOther();
    server.pause();
    await eventually(() => facts.of('readFailed').length === 1);
    server.resume();
    await reading(seen, 'second', other);
    await eventually(() => facts.of('recovered').length === 1);
    await other.close();
  });

  it('from a master that became a replica for a while', async () => {
    const { other, seen, facts } = await readingOther();
    await other.client.replicaof(lab.redis.host, lab.redis.port);
    await eventually(() => facts.of('readFailed').length === 1);
    await other.client.replicaof('NO', 'ONE');
    await reading(seen, 'second', other);
    await other.close();
  });

  it('from a dead-letter stream that cannot be written: nothing is lost meanwhile', async () => {
    await lab.client.set(DEAD, 'text');
    const { seen } = serve();
    await lab.publish(['x'], 'no.such.type');
    await reading(seen, 'good');
    expect(await lab.pending()).toBeGreaterThan(0);
    await lab.client.del(DEAD);
    await settled();
    expect((await lab.deadLetters()).map((letter) => letter['id'])).toEqual(['x']);
  });
});

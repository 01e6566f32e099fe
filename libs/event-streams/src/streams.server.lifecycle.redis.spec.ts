import { expect, it } from '@jest/globals';

import { InvalidOptionsError, type StreamsServerOptions } from './index.js';
import { describeWith, eventually } from '#testing';

import { GROUP, ids, type TestStreams, onTestStreams } from '../test/test-streams.js';

describeWith(['redis-server'], 'the life of a streams server', () => {
  let lab: TestStreams;

  onTestStreams((started) => (lab = started));

  it('stops in order: reads no more, finishes what is in hand, acknowledges it, and leaves the group', async () => {
    const finish: (() => void)[] = [];
    const { server } = lab.serve({
      batch: 10,
      handlers: { 'session.ended': () => new Promise<void>((resolve) => finish.push(resolve)) },
    });
    await lab.publish(ids(10));
    await eventually(() => finish.length === 10);
    await lab.publish(ids(10, 'late'));
    let closed = false;
    const closing = server.close().then(() => (closed = true));
    for (const resolve of finish.splice(1)) resolve();
    expect(closed).toBe(false);
    expect(await lab.pending()).toBe(10);
    finish[0]?.();
    await closing;
    expect(await lab.pending()).toBe(0);
    expect(finish).toHaveLength(1);
    expect(await lab.consumers()).toEqual([]);
  });

  it('stops all the same when a handler never ends: its entry stays pending for another consumer', async () => {
    const { server, consumer } = lab.serve({
      drainMs: 200,
      handlers: { 'session.ended': () => new Promise(() => {}) },
    });
    await lab.publish(['stuck']);
    await eventually(async () => (await lab.pending()) === 1);
    await server.close();
    expect(await lab.consumers()).toEqual([{ name: consumer, pending: 1 }]);
    const seen: (string | undefined)[] = [];
    lab.serve({ handlers: { 'session.ended': ({ fields }) => void seen.push(fields['id']) } });
    await eventually(() => seen.includes('stuck'));
  });

  it('closes every connection that it opened: one for commands, one for its read loop', async () => {
    const opened = async () => String(await lab.client.client('LIST')).split(' name=counted ').length - 1;
    const { server } = lab.serve({
      connect: () => lab.redis.client({ connectionName: 'counted' }),
      streams: [lab.stream, 'b', 'c'],
      handlers: { 'session.ended': () => {} },
    });
    await lab.publish(ids(100));
    await eventually(async () => (await opened()) === 2);
    await server.close();
    await eventually(async () => (await opened()) === 0);
  });

  it('keeps its name in the group when it stops while an entry waits for a retry', async () => {
    const { server, consumer, facts } = lab.serve({
      retryMs: 60_000,
      claimIdleMs: 120_000,
      handlers: { 'session.ended': () => Promise.reject(new Error('not now')) },
    });
    await lab.publish(['e0']);
    await eventually(() => facts.of('retrying').length === 1);
    await server.close();
    expect(await lab.consumers()).toEqual([{ name: consumer, pending: 1 }]);
  });

  it('hands back what waits for a retry when it stops: another consumer need not wait until it counts as dead', async () => {
    const claimIdleMs = 600_000;
    const retry = () => Promise.reject(new Error('not now'));
    const { server, facts } = lab.serve({ retryMs: 60_000, claimIdleMs, handlers: { 'session.ended': retry } });
    await lab.publish(ids(3));
    await eventually(() => facts.of('retrying').length === 3);
    await server.close();
    const seen = new Set<string | undefined>();
    lab.serve({ claimIdleMs, handlers: { 'session.ended': ({ fields }) => void seen.add(fields['id']) } });
    await eventually(() => seen.size === 3);
  });

  it('one thousand restarts, half of them crashes, leave at most one consumer, and lose nothing', async () => {
    const applied = new Set<string>();
    const handlers = {
      'session.ended': ({ fields }: { fields: Record<string, string> }) => void applied.add(fields['id'] ?? ''),
    };
    const live = async (life: number) => {
      const started = lab.serve({ handlers, maxDeliveries: 100 });
      await lab.publish([`e${life}`]);
      await eventually(async () => (await lab.consumers()).some(({ name }) => name === started.consumer));
      await (life % 2 === 0 ? started.server.close() : started.crash());
    };
    await lab.leavePending('nobody', 1);
    for (let life = 0; life < 1_000; life += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => live(life + i)));
    }
    const last = lab.serve({ handlers, maxDeliveries: 100 });
    await eventually(() => applied.size === 1_000);
    await eventually(async () => expect(await lab.consumers()).toEqual([{ name: last.consumer, pending: 0 }]), {
      timeoutMs: 20_000,
    });
    expect([...applied].toSorted()).toEqual(ids(1_000).toSorted());
    await last.server.close();
    expect(await lab.consumers()).toEqual([]);
  }, 120_000);

  it('keeps its name in the group while nothing happens, and while its handler takes long', async () => {
    const names = async () => (await lab.consumers()).map(({ name }) => name).toSorted();
    let finish = () => {};
    const busy = lab.serve({
      consumer: 'busy',
      claimIdleMs: 200,
      handlers: { 'session.ended': () => new Promise<void>((resolve) => (finish = resolve)) },
    });
    await lab.publish(['e0']);
    await eventually(async () => (await lab.pending()) === 1);
    const quiet = lab.serve({ consumer: 'quiet', claimIdleMs: 200 });
    await eventually(async () => expect(await names()).toEqual(['busy', 'quiet']));
    const lives = async () => {
      const rows = (await lab.client.xinfo('CONSUMERS', lab.stream, GROUP)) as unknown[][];
      return rows.every((row) => Number(row[5]) < 200);
    };
    const registered = async () => Number(await lab.client.hget(`{${lab.stream}}:groups`, GROUP));
    const start = await registered();
    await eventually(async () => (await registered()) > start + 800);
    await eventually(async () => expect(await names()).toEqual(['busy', 'quiet']));
    await eventually(lives);
    finish();
    await busy.server.close();
    await quiet.server.close();
    expect(await names()).toEqual([]);
  });

  it('never removes a consumer that has entries pending: they are taken over first', async () => {
    await lab.publish(ids(50));
    await lab.leavePending('rich', 50);
    await lab.client.xgroup('CREATECONSUMER', lab.stream, GROUP, 'poor');
    const seen = new Set<string>();
    const { consumer } = lab.serve({
      handlers: { 'session.ended': ({ fields }) => void seen.add(fields['id'] ?? '') },
    });
    await eventually(async () => expect(await lab.consumers()).toEqual([{ name: consumer, pending: 0 }]));
    expect(seen.size).toBe(50);
  });

  it('refuses options that cannot work', () => {
    const wrong: Partial<StreamsServerOptions>[] = [
      { streams: [] },
      { streams: ['a', 'a'] },
      { streams: ['a}b'] },
      { streams: ['dead-letters'] },
      { batch: 0 },
      { blockMs: 0 },
      { maxDeliveries: 1.5 },
      { claimIdleMs: NaN },
      { retryMs: -1 },
      { group: '' },
    ];
    for (const options of wrong) expect(() => lab.serve(options)).toThrow(InvalidOptionsError);
  });
});

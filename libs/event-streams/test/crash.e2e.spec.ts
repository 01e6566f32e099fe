import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { describeWith, endedAfterEach, eventually, startProcess, type ManagedProcess } from '#testing';

import { GROUP, ids, type TestStreams, onTestStreams } from './test-streams.js';

const FIXTURE = join(import.meta.dirname, 'consumer.fixture.mjs');

describeWith(['redis-server'], 'a consumer process', () => {
  let lab: TestStreams;
  const started = endedAfterEach<ManagedProcess>((consumer) => consumer.kill());

  onTestStreams((streams) => (lab = streams));

  const start = async (env: Record<string, string> = {}) => {
    const consumer = await startProcess(process.execPath, [FIXTURE, lab.redis.url, lab.stream, GROUP], {
      cwd: join(import.meta.dirname, '..'),
      env,
      ready: { line: /^listening$/ },
    });
    started.push(consumer);
    return consumer;
  };

  const expectEachAppliedOnce = async (all: string[]) => {
    await eventually(async () => expect(await lab.client.hlen('effects')).toBe(all.length));
    await eventually(async () => expect(await lab.pending()).toBe(0));
    const effects = await lab.client.hgetall('effects');
    expect(effects).toEqual(Object.fromEntries(all.map((id) => [id, '1'])));
    expect(await lab.deadLetters()).toEqual([]);
  };

  it('killed between an effect and its acknowledgement: every event is handled, and applied once', async () => {
    const all = ids(300);
    await lab.publish(all);
    const doomed = await start({ STALL_AT: 'e150' });
    await eventually(() => doomed.output().includes('applied e150\n'));
    await doomed.kill();
    expect(await lab.pending()).toBeGreaterThan(0);
    await start();
    await expectEachAppliedOnce(all);
    const handled = await lab.client.hgetall('handled');
    expect(handled['e150']).toBe('2');
    expect(Object.keys(handled)).toHaveLength(all.length);
  });

  it('killed again and again while events come in: every event is handled, and applied once', async () => {
    const all = ids(3_000);
    let publishing = true;
    const publisher = (async () => {
      for (let i = 0; i < all.length; i += 20) await lab.publish(all.slice(i, i + 20));
      publishing = false;
    })();
    for (let life = 0; life < 4; life += 1) {
      const consumer = await start({ BATCHES: '1' });
      await eventually(() => consumer.output().includes('applied'), { intervalMs: 1 });
      await consumer.kill();
    }
    await publisher;
    expect(publishing).toBe(false);
    await start({ BATCHES: '1' });
    await expectEachAppliedOnce(all);
  });

  it('stopped in the middle of its work: leaves nothing pending, and ends by itself', async () => {
    await lab.publish(ids(5_000));
    const consumer = await start();
    await eventually(() => consumer.output().includes('applied'), { intervalMs: 1 });
    consumer.signal('SIGTERM');
    expect(await consumer.exited).toEqual({ code: 0, signal: null });
    expect(consumer.output()).toContain('closed\n');
    expect(await lab.pending()).toBe(0);
    expect(await lab.consumers()).toEqual([]);
    const handled = await lab.client.hvals('handled');
    expect(new Set(handled)).toEqual(new Set(['1']));
  });
});

import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { describeWith, eventually, onRedis } from '#testing';

import { groupLag } from './group-lag.js';

describeWith(['redis-server'], 'the lag of a group', () => {
  let redis: Redis;

  onRedis(({ client }) => (redis = client));

  const publish = async (count: number) => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < count; i += 1) pipeline.xadd('s', '*', 'i', i);
    return ((await pipeline.exec()) ?? []).map(([, id]) => String(id));
  };
  /** Publishes events as old as that, before a group of the whole stream; the answer says when something was, on that clock. */
  const publishOld = async (...agesMs: number[]) => {
    const [seconds] = await redis.time();
    const at = (agoMs: number) => Number(seconds) * 1_000 - agoMs;
    for (const agoMs of agesMs) await redis.xadd('s', `${at(agoMs)}-0`, 'i', '0');
    await redis.xgroup('CREATE', 's', 'g', '0');
    return at;
  };
  const read = (count: number) => redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', count, 'STREAMS', 's', '>');
  const lag = () => groupLag(redis, 's', 'g');

  it('is what is unread and what is pending', async () => {
    await publish(10);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await read(4);
    expect(await lag()).toMatchObject({ entries: 10, unread: 6, pending: 4, exact: true });
  });

  it('is none, and has no age, when all is done', async () => {
    const all = await publish(3);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await read(3);
    await redis.xack('s', 'g', ...all);
    expect(await lag()).toEqual({
      entries: 0,
      unread: 0,
      pending: 0,
      exact: true,
      oldestUnreadAgeMs: null,
      oldestAgeMs: null,
      doneUntilMs: expect.any(Number),
    });
  });

  it('says until when all is done: until the oldest entry that is unread or pending, else until now', async () => {
    const at = await publishOld(60_000, 50_000, 40_000, 30_000);
    await read(2);
    expect((await lag())?.doneUntilMs).toBe(at(60_000));
    await redis.xack('s', 'g', `${at(60_000)}-0`, `${at(50_000)}-0`);
    expect((await lag())?.doneUntilMs).toBe(at(40_000));
    await read(2);
    await redis.xack('s', 'g', `${at(40_000)}-0`);
    expect((await lag())?.doneUntilMs).toBe(at(30_000));
    await redis.xack('s', 'g', `${at(30_000)}-0`);
    expect((await lag())?.doneUntilMs).toBeGreaterThanOrEqual(at(0));
  });

  it('says no more than what was delivered where entries may have been trimmed unread', async () => {
    const at = await publishOld(60_000, 50_000, 40_000, 30_000);
    await read(1);
    await redis.xack('s', 'g', `${at(60_000)}-0`);
    await redis.xtrim('s', 'MAXLEN', 1);
    expect((await lag())?.doneUntilMs).toBe(at(60_000));
  });

  it('has the age of the oldest entry that is not done, delivered or not', async () => {
    const at = await publishOld(60_000, 30_000);
    expect((await lag())?.oldestAgeMs).toBeGreaterThanOrEqual(60_000);
    await read(1);
    expect((await lag())?.oldestAgeMs).toBeGreaterThanOrEqual(60_000);
    await redis.xack('s', 'g', `${at(60_000)}-0`);
    const { oldestAgeMs, oldestUnreadAgeMs } = (await lag()) ?? {};
    expect(oldestAgeMs).toBeGreaterThanOrEqual(30_000);
    expect(oldestAgeMs).toBe(oldestUnreadAgeMs);
    await read(1);
    expect(await lag()).toMatchObject({ oldestAgeMs: expect.any(Number), oldestUnreadAgeMs: null });
  });

  it('has the age of the oldest unread entry', async () => {
    await publish(2);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await read(1);
    await eventually(async () => ((await lag())?.oldestUnreadAgeMs ?? 0) >= 50);
  });

  it('is null where there is no such stream or group', async () => {
    expect(await lag()).toBeNull();
    await publish(1);
    expect(await lag()).toBeNull();
  });

  it('of a long backlog is what Redis says', async () => {
    await publish(5_000);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await read(1_000);
    expect(await lag()).toMatchObject({ unread: 4_000, exact: true });
  });

  it('is the length of the stream, and marked as inexact, where Redis does not know it', async () => {
    const all = await publish(5_000);
    await redis.xgroup('CREATE', 's', 'g', all[2_000] ?? '');
    await redis.xdel('s', all[3_000] ?? '');
    expect(await lag()).toMatchObject({ unread: 4_999, exact: false });
  });

  it('near the end is counted, whatever was deleted or cut', async () => {
    const all = await publish(1_000);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await read(10);
    await redis.xtrim('s', 'MINID', all[900] ?? '');
    await redis.xdel('s', all[950] ?? '');
    await read(30);
    expect(await lag()).toMatchObject({ unread: 69, pending: 40, exact: true });
  });
});

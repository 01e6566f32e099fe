import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { describeWith, onRedis } from '#testing';

import { InvalidOptionsError } from './errors.js';
import { groupsKey } from './keys.js';
import { trimStream, type TrimOptions } from './trim-stream.js';

const STREAM = 'events';
const AGE_MS = 60_000;

describeWith(['redis-server'], 'trimming', () => {
  let redis: Redis;
  let reported: [string, unknown][] = [];

  onRedis(({ client }) => (redis = client));
  beforeEach(() => {
    reported = [];
  });
  afterEach(async () => {
    expect(await redis.xlen(STREAM)).toBeLessThanOrEqual(100_000);
  });

  const trim = (options: Partial<TrimOptions> = {}) => {
    const observer = {
      trimmed: (fact: unknown) => reported.push(['trimmed', fact]),
      boundReached: (fact: unknown) => reported.push(['boundReached', fact]),
      groupsAgedOut: (fact: unknown) => reported.push(['groupsAgedOut', fact]),
    };
    return trimStream(redis, STREAM, { groupAgeMs: AGE_MS, maxLength: 100_000, observer, ...options });
  };
  const publish = async (count: number) => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < count; i += 1) pipeline.xadd(STREAM, '*', 'i', i);
    return ((await pipeline.exec()) ?? []).map(([, id]) => String(id));
  };
  const register = async (group: string, seenAgoMs = 0) => {
    const [seconds] = await redis.time();
    await redis.hset(groupsKey(STREAM), group, Number(seconds) * 1_000 - seenAgoMs);
  };
  /** A registered group that has read so many, and acknowledged all of them but those at the given places. */
  const group = async (name: string, read: number, pending: number[] = [], seenAgoMs = 0) => {
    await redis.xgroup('CREATE', STREAM, name, '0');
    await register(name, seenAgoMs);
    if (read === 0) return;
    const reply = await redis.xreadgroup('GROUP', name, 'c', 'COUNT', read, 'STREAMS', STREAM, '>');
    const [, rows] = (reply as [string, [string, string[]][]][])[0] ?? ['', []];
    const done = rows.flatMap(([id], i) => (pending.includes(i) ? [] : [id]));
    await redis.xack(STREAM, name, ...done);
  };
  const fieldsOf = (flat: string[]) =>
    Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]]] : [])));
  const left = async () => (await redis.xrange(STREAM, '-', '+')).map(([id]) => id);

  it('goes exactly up to what the slowest group has not read', async () => {
    const all = await publish(1_000);
    await group('fast', 900);
    await group('slow', 333);
    expect(await trim()).toEqual({ behind: 333, cut: 0, losses: [], short: false, agedOut: [] });
    expect(await left()).toEqual(all.slice(333));
    expect(await trim()).toMatchObject({ behind: 0, cut: 0 });
    expect(reported).toEqual([['trimmed', { stream: STREAM, behind: 333, cut: 0 }]]);
  });

  it('keeps what is pending in any group, and all that came after it', async () => {
    const all = await publish(500);
    await group('done', 500);
    await group('busy', 500, [250, 400]);
    expect(await trim()).toMatchObject({ behind: 250 });
    expect(await left()).toEqual(all.slice(250));
  });

  it('empties the stream when everybody has read it', async () => {
    await publish(1_000);
    await group('only', 1_000);
    expect(await trim()).toMatchObject({ behind: 1_000 });
    expect(await left()).toEqual([]);
    expect(await trim()).toMatchObject({ behind: 0 });
  });

  it('keeps everything for a registered group that is gone: it will be made again from the beginning', async () => {
    await publish(100);
    await group('done', 100);
    await register('lost');
    expect(await trim()).toMatchObject({ behind: 0 });
  });

  it('keeps everything where no group is registered, although one reads', async () => {
    await publish(100);
    await redis.xgroup('CREATE', STREAM, 'unregistered', '$');
    expect(await trim()).toMatchObject({ behind: 0, cut: 0 });
    expect(await trimStream(redis, 'no-such-stream', { groupAgeMs: 1, maxLength: 1 })).toMatchObject({ behind: 0 });
  });

  it('is held back no longer by a group that was not seen for the age limit, and forgets it', async () => {
    await publish(100);
    await group('alive', 60, [], AGE_MS - 10_000);
    await group('gone', 10, [], AGE_MS + 10_000);
    expect(await trim()).toEqual({ behind: 60, cut: 0, losses: [], short: false, agedOut: ['gone'] });
    expect(Object.keys(await redis.hgetall(groupsKey(STREAM)))).toEqual(['alive']);
    expect(reported).toContainEqual(['groupsAgedOut', { stream: STREAM, groups: ['gone'] }]);
  });

  it('above the hard bound cuts what is unread and pending too, and says what each group lost', async () => {
    const all = await publish(3_000);
    await group('done', 3_000);
    await group('busy', 2_500, [10, 20, 30, 1_900, 2_100]);
    await group('slow', 5);
    await register('lost');
    const losses = [
      { group: 'busy', unread: 0, pending: 4 },
      { group: 'lost', unread: 2_000, pending: 0 },
      { group: 'slow', unread: 1_995, pending: 0 },
    ];
    const trimmed = await trim({ maxLength: 1_000 });
    expect(trimmed).toMatchObject({ behind: 0, cut: 2_000 });
    expect(trimmed.losses.toSorted((a, b) => a.group.localeCompare(b.group))).toEqual(losses);
    expect(await left()).toEqual(all.slice(2_000));
    expect(reported).toContainEqual([
      'boundReached',
      { stream: STREAM, maxLength: 1_000, short: false, losses: trimmed.losses },
    ]);
  });

  it('leaves a mark where it cut what somebody needed, in the stream itself', async () => {
    const all = await publish(800);
    await group('slow', 5);
    const [from, to] = [all[4], all[504]].map((id) => id!.split('-')[0]);
    const mark = { type: 'gap', tenant: 'default' };
    expect(await trim({ maxLength: 290, mark })).toMatchObject({ behind: 5, cut: 507 });
    const marks = (await redis.xrange(STREAM, '-', '+')).filter(([, fields]) => fields.includes('gap'));
    expect(marks.map(([, flat]) => fieldsOf(flat))).toMatchObject([
      { v: '1', id: expect.stringContaining('trimmed/'), type: 'gap', tenant: 'default', from, to, entries: '500' },
      { from, entries: '7' },
    ]);
    expect(await redis.xlen(STREAM)).toBe(290);
    expect(await trim({ maxLength: 290, mark })).toMatchObject({ cut: 0 });
  });

  it('leaves no mark for what nobody needed', async () => {
    await publish(500);
    expect(await trim({ maxLength: 100, mark: { type: 'gap' } })).toMatchObject({ cut: 400 });
    expect(await redis.xlen(STREAM)).toBe(100);
  });

  it('keeps as many of the newest as it is asked to, although everybody has read them', async () => {
    await publish(1_000);
    await group('only', 1_000);
    await trim({ keepLength: 250 });
    const kept = await redis.xlen(STREAM);
    expect(kept).toBeGreaterThanOrEqual(250);
    expect(kept).toBeLessThan(250 + 100);
    expect(await trim({ keepLength: 250 })).toMatchObject({ behind: 0 });
    expect(await trim({ keepLength: 2_000 })).toMatchObject({ behind: 0, cut: 0 });
  });

  it('makes room when memory is short, before Redis refuses what it is needed for', async () => {
    await publish(30);
    await group('slow', 0);
    const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    const before = await used();
    for (let i = 0; i < 20; i += 1) {
      const pipeline = redis.pipeline();
      for (let n = 0; n < 500; n += 1) pipeline.xadd(STREAM, '*', 'pad', 'x'.repeat(1_000));
      await pipeline.exec();
    }
    const full = await used();
    const options = { memoryShare: 0.5, keepLength: 200, mark: { type: 'gap' } };
    expect(await trim(options)).toMatchObject({ cut: 0, short: false });
    // Half of it is between what it was and what it is.
    await redis.config('SET', 'maxmemory', String(before + full));
    const trimmed = await trim(options);
    expect(trimmed).toMatchObject({ short: true, losses: [{ group: 'slow', unread: trimmed.cut }] });
    expect(await used()).toBeLessThan((before + full) / 2);
    expect(await redis.xlen(STREAM)).toBeGreaterThan(2_000);
    expect(reported).toContainEqual(['boundReached', expect.objectContaining({ short: true })]);
    await redis.config('SET', 'maxmemory', '1');
    await trim(options);
    await redis.config('SET', 'maxmemory', '0');
    expect(await redis.xlen(STREAM)).toBeGreaterThanOrEqual(200);
    expect(await redis.xlen(STREAM)).toBeLessThan(300);
  });

  describe('when memory is short', () => {
    const options = { memoryShare: 0.9, keepLength: 400 };
    const fillMemory = async () => await redis.config('SET', 'maxmemory', '1');
    afterEach(async () => {
      await redis.config('SET', 'maxmemory', '0');
    });

    it('lets go all that every reader is done with, down to nothing', async () => {
      await publish(1_000);
      await group('only', 1_000);
      await trim(options);
      expect(await redis.xlen(STREAM)).toBeGreaterThanOrEqual(400);
      await fillMemory();
      expect(await trim(options)).toMatchObject({ cut: 0, losses: [], short: false });
      expect(await redis.xlen(STREAM)).toBe(0);
      expect(reported.map(([name]) => name)).toEqual(['trimmed', 'trimmed']);
    });

    it('lets go all of what nobody reads', async () => {
      await publish(1_000);
      await fillMemory();
      expect(await trim(options)).toMatchObject({ losses: [] });
      expect(await redis.xlen(STREAM)).toBe(0);
    });

    it('keeps what is pending or unread of the newest', async () => {
      await publish(1_000);
      await group('only', 900, [800]);
      await fillMemory();
      expect(await trim(options)).toMatchObject({ behind: 800, cut: 0, losses: [] });
      expect(await redis.xlen(STREAM)).toBe(200);
    });
  });

  it('raises no alarm for what nobody needed', async () => {
    await publish(500);
    await group('gone', 10, [], 2 * AGE_MS);
    expect(await trim({ maxLength: 100 })).toMatchObject({ cut: 400, losses: [] });
    expect(reported.map(([name]) => name)).toEqual(['trimmed', 'groupsAgedOut']);
  });

  it('does its work in pieces: 50,000 entries never hold Redis for long', async () => {
    for (let i = 0; i < 5; i += 1) await publish(10_000);
    await group('slow', 40_000);
    await redis.config('SET', 'slowlog-log-slower-than', '200000');
    await redis.slowlog('RESET');
    expect(await trim({ maxLength: 5_000 })).toMatchObject({ behind: 40_000, cut: 5_000 });
    expect(await redis.xlen(STREAM)).toBe(5_000);
    expect(await redis.slowlog('LEN')).toBe(0);
  });

  it('may be done by several at once', async () => {
    await publish(5_000);
    await group('slow', 1_000);
    const all = await Promise.all(Array.from({ length: 8 }, () => trim({ maxLength: 2_000 })));
    const sum = (pick: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + pick(one), 0);
    expect(sum(({ behind, cut }) => behind + cut)).toBe(3_000);
    expect(sum(({ losses }) => losses.reduce((total, { unread }) => total + unread, 0))).toBe(2_000);
    expect(await redis.xlen(STREAM)).toBe(2_000);
  });

  it('refuses a bound below one', async () => {
    await expect(trim({ maxLength: 0 })).rejects.toThrow(InvalidOptionsError);
  });
});

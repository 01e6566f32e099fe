import { beforeEach, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { onRedis } from '#testing';

import { Attempts } from '../attempts.js';
import { attemptsKey } from '../keys.js';

let client: Redis;
let now: number;
let attempts: Attempts;

onRedis((on) => ({ client } = on));
beforeEach(() => {
  now = 1_800_000_000_000;
  attempts = new Attempts({ client, deadlineMs: 60_000, clockMs: () => now });
});

const noteAll = async (count: number, source = '192.0.2.1') => {
  const waits: number[] = [];
  for (let i = 0; i < count; i += 1) waits.push(await attempts.note(source));
  return waits;
};

it('notes ten in a row, then one in six seconds, both sides of the boundary', async () => {
  expect(await noteAll(12)).toEqual([...Array.from({ length: 10 }, () => 0), 6_000, 6_000]);
  now += 5_999;
  expect(await noteAll(1)).toEqual([1]);
  now += 1;
  expect(await noteAll(2)).toEqual([0, 6_000]);
  now += 60_000;
  expect(await noteAll(11)).toEqual([...Array.from({ length: 10 }, () => 0), 6_000]);
});

it('counts each source for itself, and never slows for longer however many come', async () => {
  await noteAll(500);
  expect(await attempts.note('192.0.2.2')).toBe(0);
  now += 6_000;
  expect(await attempts.note('192.0.2.1')).toBe(0);
});

it('counts those that come at once', async () => {
  const waits = await Promise.all(Array.from({ length: 200 }, () => attempts.note('192.0.2.1')));
  expect(waits.filter((wait) => wait === 0)).toHaveLength(10);
});

it('slows nobody for longer when the clock goes back', async () => {
  await noteAll(10);
  now -= 3_600_000;
  expect(await attempts.note('192.0.2.1')).toBe(6_000);
  now += 6_000;
  expect(await attempts.note('192.0.2.1')).toBe(0);
});

it('takes the time from Redis, and survives SCRIPT FLUSH and a value that is no number', async () => {
  const real = new Attempts({ client, deadlineMs: 60_000 });
  await client.set(attemptsKey('192.0.2.1'), 'nonsense');
  expect(await real.note('192.0.2.1')).toBe(0);
  await client.script('FLUSH');
  expect(await real.note('192.0.2.1')).toBe(0);
  const forgiven = Number(await client.get(attemptsKey('192.0.2.1')));
  const [seconds] = await client.time();
  expect(Math.abs(forgiven / 1_000 - Number(seconds))).toBeLessThan(60);
});

it('keeps only keys that expire within a minute, a bounded number of them whoever makes up sources', async () => {
  for (let i = 0; i < 300; i += 1) await noteAll(1, `2001:db8:${i.toString(16)}::/64`);
  await noteAll(30);
  const keys = await client.keys('*');
  const lives = await Promise.all(keys.map((key) => client.pttl(key)));
  expect(Math.min(...lives)).toBeGreaterThan(0);
  expect(Math.max(...lives)).toBeLessThanOrEqual(60_000);
  const names = new Set(Array.from({ length: 200_000 }, (_, i) => attemptsKey(`10.${i}`)));
  expect(names.size).toBeLessThanOrEqual(65_536);
});

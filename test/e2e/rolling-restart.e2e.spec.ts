import { afterEach, beforeEach, expect, it } from '@jest/globals';

import {
  describeWith,
  eventually,
  startBerth,
  startRedis,
  type Berth,
  type BerthApp,
  type RedisServer,
} from '#testing';

import { Balancer } from './balancer.js';
import { KeepAliveCaller } from './keep-alive-caller.js';

const CALLERS = 12;
const USERS = 4;
const CONFIG = `
shutdown: { grace: 2 }
limits: { max_sessions_per_user: 10 }
history: { enabled: false }
`;

let redis: RedisServer;
let berth: Berth | undefined;
let balancer: Balancer | undefined;
let callers: KeepAliveCaller[] = [];

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  await Promise.all(callers.map((caller) => caller.stop()));
  await balancer?.stop();
  await berth?.stop();
  await redis.stop();
});

async function restart(gateway: BerthApp, behind: Balancer): Promise<void> {
  gateway.process.signal('SIGTERM');
  expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
  expect(gateway.process.output()).not.toContain('A part does not stop');
  await gateway.process.restart();
  await eventually(() => behind.isReady(gateway.url), { what: 'the gateway to be in rotation' });
}

/** The ids in the outbox, one for each time that this happened. */
async function eventsOf(type: string): Promise<string[]> {
  const entries = await redis.client().xrange('berth:{default/0}:events', '-', '+');
  const field = (fields: string[], name: string) => fields[fields.indexOf(name) + 1] ?? '';
  const ofType = entries.filter(([, fields]) => field(fields, 'type') === type);
  return ofType.map(([, fields]) =>
    fields.includes('sessionId')
      ? field(fields, 'sessionId')
      : (JSON.parse(field(fields, 'session')) as { id: string }).id,
  );
}

const sorted = (ids: Iterable<string>) => [...ids].toSorted();

describeWith(['redis-server'], 'a rolling restart of both gateways under load', () => {
  it('loses not one answer', async () => {
    berth = await startBerth({
      redisUrl: redis.url,
      apps: ['admission-gateway', 'limits-admin'],
      gateways: 2,
      configYaml: CONFIG,
    });
    const door = (balancer = await Balancer.start(berth.gateways.map(({ url }) => url)));
    callers = Array.from(
      { length: CALLERS },
      (_, n) => new KeepAliveCaller(door.url, `caller-${n}`, `user-${n % USERS}`),
    );
    await eventually(() => callers.every(({ asked }) => asked > 10));

    for (const gateway of [...berth.gateways, ...berth.gateways]) await restart(gateway, door);
    await Promise.all(callers.map((caller) => caller.stop()));

    // Every request has its answer: 2xx, or 429 where the limit was full.
    expect(callers.flatMap(({ lost }) => lost)).toEqual([]);
    expect(door.lost).toBe(0);
    expect(callers.every(({ asked, sentAway }) => asked > 100 && sentAway > 0)).toBe(true);
    expect(callers.some(({ refused }) => refused.size > 0)).toBe(true);

    // And the books have what the callers were answered, each thing once.
    const answered = (what: 'admitted' | 'ended') => callers.flatMap((caller) => [...caller[what]]);
    const ended = new Set(answered('ended'));
    const live = answered('admitted').filter((id) => !ended.has(id));
    const answer = await fetch(`${berth.app('limits-admin').url}/api/sessions/active?limit=1000`);
    const { sessions } = (await answer.json()) as { sessions: { id: string }[] };
    expect(sorted(sessions.map(({ id }) => id))).toEqual(sorted(live));
    expect(sorted(await eventsOf('session.admitted'))).toEqual(sorted(answered('admitted')));
    expect(sorted(await eventsOf('session.ended'))).toEqual(sorted(ended));
  }, 180_000);
});

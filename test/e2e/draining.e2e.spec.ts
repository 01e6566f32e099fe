import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { auditKeys, historyKeys, inboxKeys, INBOX_STREAMS } from '#session-core';
import { describeWith, endedAfterEach, eventually, onRedis, startBerth, type Berth, type RedisServer } from '#testing';

const EVENTS = 3_000;
const CONFIG = 'shutdown: { grace: 10m }\nhistory: { storage: memory }\nlimits: { max_sessions_per_user: 0 }\n';
const OUTBOX = 'berth:{default/0}:events';

let redis: RedisServer;
let client: Redis;
const fleets = endedAfterEach<Berth>((fleet) => fleet.stop());

onRedis((on) => ({ redis, client } = on));

async function startWorkers(): Promise<Berth> {
  const fleet = await startBerth({
    redisUrl: redis.url,
    apps: ['session-reaper', 'limits-admin'],
    configYaml: CONFIG,
  });
  fleets.push(fleet);
  return fleet;
}

/** Begins of sessions, as servers publish them. */
async function publish(from: number, to: number): Promise<void> {
  const pipeline = client.pipeline();
  for (let n = from; n < to; n += 1) {
    const fields = { v: 1, type: 'session.started', sessionId: `call-${n}`, user: `user-${n % 100}` };
    pipeline.xadd(inboxKeys.events(n % INBOX_STREAMS), '*', ...Object.entries(fields).flat());
  }
  await pipeline.exec();
}

const live = () => client.zcard('berth:{default/0}:deadlines');

/** What a group has in hand, and under which names. */
async function held(stream: string, group: string) {
  const consumers = (await client.xinfo('CONSUMERS', stream, group)) as unknown[][];
  const [pending] = (await client.xpending(stream, group)) as [number];
  return { consumers: consumers.map((facts) => String(facts[1])), pending };
}

/** Published events that this reaper has applied. */
async function applied(fleet: Berth): Promise<number> {
  const metrics = await (await fetch(`${fleet.app('session-reaper').url}/metrics`)).text();
  const lines = metrics.split('\n').filter((line) => line.startsWith('berth_inbox_events_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const inboxes = Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number));

describeWith(['redis-server'], 'when a process drains', () => {
  it('work that no caller waits for is finished or handed back at once, and nothing acknowledged is lost', async () => {
    const first = await startWorkers();
    await eventually(() => first.app('limits-admin').process.output().includes('Writing history'));
    await publish(0, EVENTS);
    await eventually(async () => (await live()) > 0, { intervalMs: 1, what: 'the work to begin' });

    for (const app of first.apps) app.process.signal('SIGTERM');

    // Far sooner than the grace ends: neither claims nor leases nor jobs are left behind, and nothing new is taken.
    await eventually(async () => {
      for (const stream of inboxes) expect(await held(stream, inboxKeys.group)).toEqual({ consumers: [], pending: 0 });
      expect(await held(OUTBOX, historyKeys.group)).toEqual({ consumers: [], pending: 0 });
      expect(await client.exists(auditKeys.lease, historyKeys.lease, '{berth}:expiry:active')).toBe(0);
    });
    for (const { url } of first.apps) {
      const ready = await fetch(`${url}/health/ready`);
      expect([ready.status, await ready.json()]).toMatchObject([503, { status: 'draining' }]);
      expect((await fetch(`${url}/metrics`)).status).toBe(200);
    }
    const done = await live();
    await publish(EVENTS, EVENTS + 100);

    // Others go on while the first still drain: each event is applied, once.
    const second = await startWorkers();
    await eventually(async () => expect(await live()).toBe(EVENTS + 100));
    expect(done).toBeLessThan(EVENTS + 100);
    await eventually(async () => {
      for (const stream of inboxes) expect((await held(stream, inboxKeys.group)).pending).toBe(0);
      expect((await applied(first)) + (await applied(second))).toBe(EVENTS + 100);
    });
    await eventually(async () => {
      const [group] = (await client.xinfo('GROUPS', OUTBOX)) as unknown[][];
      const fact = (name: string) => group?.[group.indexOf(name) + 1];
      expect([fact('name'), fact('pending'), fact('lag')]).toEqual([historyKeys.group, 0, 0]);
    });
    expect(second.app('limits-admin').process.output()).toContain('Writing history');

    for (const { process } of first.apps) {
      expect(process.running).toBe(true);
      process.signal('SIGINT');
      expect(await process.exited).toEqual({ code: 0, signal: null });
      expect(process.output()).not.toContain('A part does not stop');
    }
  }, 120_000);
});

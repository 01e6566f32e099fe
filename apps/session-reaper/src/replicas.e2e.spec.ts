import { expect, it } from '@jest/globals';

import { describeWith, endedAfterEach, eventually, startBerth, type Berth, type BerthApp } from '#testing';

import { onTestBooks } from './books.fixture.js';

const SESSIONS = 10_000;

describeWith(['redis-server'], 'replicas of the reaper', () => {
  const fleets = endedAfterEach<Berth>((fleet) => fleet.stop());
  const suite = onTestBooks();

  const startReaper = async (): Promise<BerthApp> => {
    const fleet = await startBerth({
      redisUrl: suite.redis.url,
      apps: ['session-reaper'],
      configYaml: 'reaper: { sweep_interval: 0.2 }',
      env: { BERTH_LOG_LEVEL: 'warn' },
    });
    fleets.push(fleet);
    return fleet.app('session-reaper');
  };

  /** All are due at one moment, when every one of them is on the suite.books. */
  const makeBacklog = () => suite.books.admitMany(SESSIONS, 2_500);

  const working = () =>
    eventually(async () => (await suite.books.live()) < SESSIONS, { intervalMs: 1, what: 'the backlog to shrink' });

  const expectEachEndedOnce = async () => {
    await eventually(async () => expect(await suite.books.live()).toBe(0));
    const ended = await suite.books.ended();
    expect(ended).toHaveLength(SESSIONS);
    expect(new Set(ended.map(({ sessionId }) => sessionId)).size).toBe(SESSIONS);
  };

  const metric = async ({ url }: BerthApp, name: string) => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  };

  it('end each session once between them', async () => {
    const reapers = await Promise.all([startReaper(), startReaper()]);
    await makeBacklog();
    await expectEachEndedOnce();
    await eventually(async () => {
      const counts = await Promise.all(reapers.map((reaper) => metric(reaper, 'berth_expiry_lateness_seconds_count')));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(SESSIONS);
    });
    for (const { process } of reapers) expect(process.output()).toBe('');
  });

  it('lose nothing when one is killed in the middle of its work', async () => {
    const doomed = await startReaper();
    await makeBacklog();
    await working();
    await doomed.process.kill();
    expect(await suite.books.live()).toBeGreaterThan(0);
    await startReaper();
    await expectEachEndedOnce();
  });

  it('go on with the work of a killed one, its jobs included, and leave nothing of them', async () => {
    const [doomed] = await Promise.all([startReaper(), startReaper()]);
    await makeBacklog();
    await working();
    await doomed.process.kill();
    await expectEachEndedOnce();
    // A dead worker's job is given to another one when its lock has run out.
    await eventually(
      async () => {
        expect(await suite.client.keys('{berth}:expiry:*:lock')).toEqual([]);
        expect(await suite.client.llen('{berth}:expiry:active')).toBe(0);
        expect((await suite.client.keys('{berth}:*')).length).toBeLessThanOrEqual(10);
      },
      { timeoutMs: 30_000 },
    );
  });

  it('stop in order on SIGTERM in the middle of a backlog', async () => {
    const first = await startReaper();
    await makeBacklog();
    await working();
    first.process.signal('SIGTERM');
    expect(await first.process.exited).toEqual({ code: 0, signal: null });
    expect(await suite.books.live()).toBeGreaterThan(0);
    expect(await suite.client.llen('{berth}:expiry:active')).toBe(0);
    await startReaper();
    await expectEachEndedOnce();
  });
});

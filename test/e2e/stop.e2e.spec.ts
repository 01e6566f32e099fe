import { setTimeout as elapsed } from 'node:timers/promises';

import { expect, it } from '@jest/globals';

import { describeWith, type BerthApp } from '#testing';

import { isWriter, type Scene, onScenes } from './history-scene.js';

/** What all of Berth has to end in after SIGTERM (5 s of grace, then 18), and somewhat more, for a machine that has other things to do. */
const STOP_LIMIT_MS = 30_000;

let scene: Scene;

onScenes((opened) => {
  scene = opened;
});

/** How an app ends, and the parts that it left behind. */
async function stop({ name, process }: BerthApp) {
  process.signal('SIGTERM');
  const late = new AbortController();
  const cut = elapsed(STOP_LIMIT_MS, undefined, { signal: late.signal }).then(() => process.kill(), () => {}); // prettier-ignore
  const exit = await process.exited;
  late.abort();
  await cut;
  const lines = process.output().split('\n');
  const log = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  const ended = log.findLast(
    ({ message }) => message === 'Stopped' || message === 'Not stopped in time; ending all the same',
  );
  const left = log.filter(({ message }) => message === 'A part does not stop; going on without it');
  return { name, exit, ended: ended?.['message'], left: left.map(({ step }) => step) };
}

describeWith(['redis-server'], 'a stop is bounded whatever hangs', () => {
  it.each([
    { what: 'PostgreSQL', hangs: { postgres: true, redis: false } },
    { what: 'Redis', hangs: { postgres: false, redis: true } },
    { what: 'PostgreSQL and Redis', hangs: { postgres: true, redis: true } },
  ])(
    'of all three apps while $what does not answer, with work in hand',
    async ({ hangs }) => {
      const postgres = await scene.postgres();
      const berth = await scene.start(postgres.url, 'session-reaper', 'admission-gateway');
      const admin = berth.app('limits-admin');
      const gateway = berth.app('admission-gateway');
      await isWriter(admin);
      const load = await scene.load();
      const callers = scene.callers(gateway, load);
      await elapsed(1_000);
      const resume = hangs.postgres ? await scene.hang(postgres) : () => {};
      if (hangs.redis) scene.redis.pause();
      // Until each of them waits for an answer.
      await elapsed(1_500);
      const asked = [`${admin.url}/api/sessions/history`, `${admin.url}/api/sessions/active`].map((url) =>
        fetch(url, { signal: AbortSignal.timeout(STOP_LIMIT_MS) }).then(
          (reply) => reply.status,
          () => 'cut off',
        ),
      );
      await elapsed(200);
      const stops = await Promise.all(berth.apps.map(stop));
      resume();
      scene.redis.resume();
      await Promise.all([load.abort(), callers.stop(), ...asked]);
      expect(stops.map(({ name, exit, ended }) => ({ name, exit, ended }))).toEqual(
        berth.apps.map(({ name }) => ({ name, exit: { code: 0, signal: null }, ended: 'Stopped' })),
      );
    },
    120_000,
  );
});

import { setTimeout as elapsed } from 'node:timers/promises';

import { expect, it } from '@jest/globals';

import { describeWith } from '#testing';

import { caughtUp, rowsIn } from './history-check.js';
import { readOutbox, unlike } from './history-outbox.js';
import { hasStatus, isWriter, type Scene, onScenes } from './history-scene.js';

let scene: Scene;

onScenes(
  (opened) => {
    scene = opened;
  },
  ['--appendonly', 'yes', '--appendfsync', 'always'],
);

describeWith(['redis-server'], 'history', () => {
  it('loses nothing that Redis keeps, when Redis hangs and when it dies', async () => {
    const admin = await scene.admin(scene.file);
    await isWriter(admin);
    const load = await scene.load({ deadlineMs: 1_000, perSecond: 300 });
    await elapsed(1_500);
    scene.redis.pause();
    await elapsed(15_000);
    scene.redis.resume();
    await elapsed(1_500);
    for (let round = 0; round < 3; round += 1) {
      await scene.redis.kill();
      await scene.redis.restart();
      await elapsed(1_500);
    }
    await hasStatus(admin, 'ok');
    await load.enough();
    const account = await load.stop();
    scene.expectNothing(
      'failures',
      load.failures.filter((failure) => !/^sweep|StoreUnavailableError/.test(failure)),
    );
    await caughtUp(scene.client);
    const rows = await rowsIn(scene.file);
    scene.expectNothing('unlike the outbox', unlike(rows, await readOutbox(scene.client)));
    scene.expectNothing('wrong', account.wrongSessions(rows));
    expect(account.doubtful.size).toBeGreaterThan(0);
  }, 120_000);
});

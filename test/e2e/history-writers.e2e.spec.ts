import { setTimeout as elapsed } from 'node:timers/promises';

import { expect, it } from '@jest/globals';

import { describeWith } from '#testing';

import { pendingOf } from './history-check.js';
import { isWriter, type Scene, onScenes } from './history-scene.js';

let scene: Scene;

onScenes((opened) => (scene = opened));

describeWith(['redis-server'], 'history equals what callers were answered', () => {
  it('while two processes write it at once', async () => {
    const { url } = await scene.postgres();
    let [writer, other] = [await scene.admin(url, 'session-reaper'), await scene.admin(url)];
    await isWriter(writer);
    const load = await scene.load();
    for (let round = 0; round < 2; round += 1) {
      writer.process.signal('SIGSTOP');
      await isWriter(other);
      writer.process.signal('SIGCONT');
      [writer, other] = [other, writer];
    }
    for (let round = 0; round < 12; round += 1) {
      await elapsed(scene.random(600));
      await scene.expireLease();
    }
    await scene.isRight(load, url);
  }, 120_000);

  it('after each orderly stop, by which all that was read is written', async () => {
    const admin = await scene.admin(scene.file);
    const load = await scene.load();
    for (let round = 0; round < 3; round += 1) {
      await isWriter(admin);
      await elapsed(scene.random(1_500));
      expect(await admin.process.stop()).toEqual({ code: 0, signal: null });
      expect(await pendingOf(scene.client)).toBe(0);
      await admin.process.restart();
    }
    await scene.isRight(load, scene.file);
  }, 120_000);

  it('after orderly stops while the database is away, or hangs', async () => {
    const postgres = await scene.postgres();
    const admin = await scene.admin(postgres.url, 'session-reaper');
    const load = await scene.load();
    for (const trouble of [() => postgres.kill(), () => scene.hang(postgres)]) {
      await isWriter(admin);
      await elapsed(500 + scene.random(1_000));
      const resume = await trouble();
      await elapsed(1_000 + scene.random(500));
      expect(await admin.process.stop()).toEqual({ code: 0, signal: null });
      resume?.();
      await postgres.restart();
      await admin.process.restart();
    }
    await scene.isRight(load, postgres.url);
  }, 120_000);
});

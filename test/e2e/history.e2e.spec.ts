import { setTimeout as elapsed } from 'node:timers/promises';

import { expect, it } from '@jest/globals';

import { historyKeys, shardKeys } from '#session-core';
import { describeWith, eventually } from '#testing';

import { caughtUp, DEFAULT_TENANT, rowsIn, setBack, streamsOf } from './history-check.js';
import { readOutbox, unlike } from './history-outbox.js';
import { healthOf, isWriter, PATIENT, type Scene, onScenes } from './history-scene.js';

let scene: Scene;

onScenes((opened) => (scene = opened));

describeWith(['redis-server'], 'history equals what callers were answered', () => {
  it('while its projector is killed again and again, and another one takes over', async () => {
    const { url } = await scene.postgres();
    const one = await scene.admin(url, 'session-reaper');
    const load = await scene.load();
    for (let round = 0; round < 6; round += 1) {
      await isWriter(one);
      await elapsed(scene.random(1_500));
      await one.process.kill();
      if (round % 3 > 0) await scene.expireLease();
      await one.process.restart();
    }
    const two = await scene.admin(url);
    await isWriter(one);
    await eventually(async () => (await healthOf(two)).writer === 'elsewhere', PATIENT);
    await one.process.kill();
    await isWriter(two);
    await scene.isRight(load, url);
  }, 180_000);

  it('whatever is delivered again, and when its consumer group is set back or lost', async () => {
    await isWriter(await scene.admin(scene.file, 'session-reaper'));
    const tenant = { name: 'acme', shards: 3 };
    const load = await scene.load({ tenant });
    for (let round = 0; round < 9; round += 1) {
      await elapsed(scene.random(1_200));
      for (const stream of streamsOf(tenant)) {
        if (round % 3 === 0) await scene.client.xgroup('DESTROY', stream, historyKeys.group);
        else await setBack(scene.client, stream, round % 3 === 1 ? Infinity : scene.random(3_000));
      }
    }
    await scene.isRight(load, scene.file);
  }, 120_000);

  it('of nodes that are lost and come back, while its projector is killed', async () => {
    const berth = await scene.start(scene.file, 'session-reaper', 'admission-gateway');
    const admin = berth.app('limits-admin');
    await isWriter(admin);
    const { url } = berth.app('admission-gateway');
    const [lost, cut] = [scene.node('b2bua-1', url), scene.node('b2bua-2', url)];
    for (let n = 0; n < 100; n += 1) {
      await Promise.all([lost, cut].map((node) => node.call(`${node.name}/${n}`, `u${n}`)));
    }
    await lost.kill();
    cut.setCut(true);
    const countLive = async () => await scene.client.zcard(shardKeys(DEFAULT_TENANT, 0).deadlines);
    for (const left of [0, 100]) {
      for (let round = 0; round < 2; round += 1) {
        await admin.process.kill();
        await scene.expireLease();
        await admin.process.restart();
      }
      await eventually(async () => expect(await countLive()).toBe(left), PATIENT);
      cut.setCut(false);
    }
    for (let n = 0; n < 100; n += 2) await cut.end(`b2bua-2/${n}`);
    await caughtUp(scene.client);
    const rows = await rowsIn(scene.file);
    expect(unlike(rows, await readOutbox(scene.client))).toEqual([]);
    const ends = rows.map(({ node, status, close_reason }) => `${node} ${status} ${close_reason}`);
    expect(new Set(ends)).toEqual(
      new Set(['b2bua-1 failed node_lost', 'b2bua-2 active null', 'b2bua-2 closed completed']),
    );
    expect(rows).toHaveLength(200);
  }, 120_000);
});

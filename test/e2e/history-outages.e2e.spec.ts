import { setTimeout as elapsed } from 'node:timers/promises';

import { expect, it } from '@jest/globals';
import pg from 'pg';

import { describeWith } from '#testing';

import { hasStatus, isWriter, type Scene, onScenes } from './history-scene.js';

let scene: Scene;

onScenes((opened) => {
  scene = opened;
});

describeWith(['redis-server'], 'history catches up, and admissions never wait,', () => {
  it('when PostgreSQL hangs, and then is gone, for a minute in all', async () => {
    const postgres = await scene.postgres();
    const berth = await scene.start(postgres.url, 'session-reaper', 'admission-gateway');
    const admin = berth.app('limits-admin');
    await isWriter(admin);
    const load = await scene.load({ perSecond: 300 });
    const callers = scene.callers(berth.app('admission-gateway'), load);
    await elapsed(2_000);
    const awayAt = Date.now();
    const resume = await scene.hang(postgres);
    await hasStatus(admin, 'degraded', 'away', 40_000);
    await elapsed(Math.max(0, awayAt + 35_000 - Date.now()));
    resume();
    await postgres.kill();
    await load.forbid(12_000);
    await elapsed(Math.max(0, awayAt + 60_000 - Date.now()));
    await hasStatus(admin, 'degraded', 'away');
    await postgres.restart();
    await hasStatus(admin, 'ok');
    expect(await callers.stop()).toEqual([]);
    await scene.isRight(load, postgres.url);
  }, 240_000);

  it('when PostgreSQL takes no writes', async () => {
    const { url } = await scene.postgres();
    const { admin, isRight } = await underLoad(url);
    await setReadOnly(url, true);
    await hasStatus(admin, 'degraded', 'read-only');
    await elapsed(4_000);
    await setReadOnly(url, false);
    await hasStatus(admin, 'ok');
    await isRight();
  }, 120_000);

  it('when the disk is full, even to a process that begins then', async () => {
    const { disk, url } = await scene.smallDisk(() => admin.process);
    const { admin, isRight } = await underLoad(url);
    await elapsed(2_000);
    await disk.fill();
    await hasStatus(admin, 'degraded', disk.trouble);
    await elapsed(3_000);
    await disk.free();
    await hasStatus(admin, 'ok');
    await disk.fill();
    await hasStatus(admin, 'degraded', disk.trouble);
    await admin.process.kill();
    await admin.process.restart();
    await scene.expireLease();
    await hasStatus(admin, disk.trouble === 'full' ? 'degraded' : 'ok');
    await elapsed(3_000);
    await disk.free();
    await hasStatus(admin, 'ok');
    await isRight();
  }, 120_000);

  it('when its folder is read-only as it begins', async () => {
    const { disk, url } = await scene.smallDisk(() => admin.process);
    const admin = await scene.admin(url, 'session-reaper');
    await isWriter(admin);
    const load = await scene.load();
    await elapsed(1_000);
    await admin.process.kill();
    await disk.setReadOnly(true);
    await admin.process.restart();
    await scene.expireLease();
    await hasStatus(admin, 'degraded', 'The database cannot serve');
    await elapsed(2_000);
    await disk.setReadOnly(false);
    await hasStatus(admin, 'ok');
    await scene.isRight(load, url);
  }, 120_000);
});

/** All apps, a load on them, and callers of the gateway; `isRight` ends those, whom nothing failed, and holds history against what was done. */
async function underLoad(url: string) {
  const berth = await scene.start(url, 'session-reaper', 'admission-gateway');
  const admin = berth.app('limits-admin');
  await isWriter(admin);
  const load = await scene.load();
  const callers = scene.callers(berth.app('admission-gateway'), load);
  const isRight = async () => {
    expect(await callers.stop()).toEqual([]);
    await scene.isRight(load, url);
  };
  return { admin, isRight };
}

/** From now on, and on connections that are there too. */
async function setReadOnly(url: string, readOnly: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('begin read write');
  await client.query(`alter database postgres set default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
  await client.query('commit');
  await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'berth-history'`);
  await client.end();
}

import { rm } from 'node:fs/promises';

import { expect, it } from '@jest/globals';

import { HistoryUnavailableError } from './index.js';
import { KeptPostgres } from './store/postgres-identity.js';
import { postgresStore } from './store/postgres.js';
import { describeDatabases, failing } from '../test/databases.fixture.js';
import { endedEvent, startedEvent } from '../test/ended-by.fixture.js';

describeDatabases('a database that is another one than was opened', ({ kind, url, open, query, server }) => {
  it('takes nothing and answers nothing, and is opened anew', async () => {
    const where = await url();
    const database = await open({ url: where });
    await database.apply([startedEvent('a')]);
    await database.mustBeKept();
    if (kind === 'sqlite') {
      for (const part of ['', '-wal', '-shm']) await rm(where.replace('sqlite://', '') + part);
    } else {
      const name = new URL(where).pathname.slice(1);
      await query(server().url, `drop database ${name} with (force)`);
      await query(server().url, `create database ${name}`);
      await failing(database.mustBeKept()); // its connections were cut off, which has to be noticed first
    }
    expect(await failing(database.mustBeKept())).toBe('replaced');
    expect(await failing(database.apply([startedEvent('b')]))).toBe('replaced');
    expect(await failing(database.history('default'))).toBe('replaced');
    const opened = await open({ url: where });
    await opened.apply([startedEvent('c')]);
    expect((await opened.history('default')).rows.map(({ session_id }) => session_id)).toEqual(['c']);
    expect(await failing(database.apply([endedEvent('c', {})]))).toBe('replaced');
  });

  it('also where only its tables were put back, as a restore does', async () => {
    if (kind === 'sqlite') return;
    const where = await url();
    const database = await open({ url: where });
    await database.apply([startedEvent('a')]);
    await query(where, 'alter table sessions rename to before; create table sessions (like before including all)');
    expect(await failing(database.mustBeKept())).toBe('replaced');
    expect(await failing(database.apply([startedEvent('b')]))).toBe('replaced');
  });

  it('also where its log has gone back, as a server that was set back to an earlier moment has', async () => {
    if (kind === 'sqlite') return;
    const where = await url();
    await open({ url: where });
    const store = postgresStore(where);
    const { db } = store;
    const kept = new KeptPostgres();
    await kept.remember(db);
    await kept.mustBeKept(db);
    kept['known']!.position! += 1n << 40n; // as if the server had been further on
    expect(await failing(kept.mustBeKept(db))).toBe('replaced');
    await store.close();
  });

  it('answers who asks while it is closed that it is away', async () => {
    const database = await open();
    await database.apply([startedEvent('a')]);
    const asked = [database.close(), database.history('default'), database.apply([startedEvent('b')])];
    asked.push(...Array.from({ length: 5 }, () => database.history('default')));
    for (const outcome of await Promise.allSettled(asked)) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(HistoryUnavailableError);
    }
    expect(await failing(database.history('default'))).toBe('away');
  });

  it('is the same one for many who ask at once while it is written', async () => {
    const database = await open();
    const work = Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0 ? database.mustBeKept() : database.apply([startedEvent(`s${i}`)]),
    );
    await Promise.all(work);
    expect((await database.history('default')).total).toBe(20);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { eventually } from './eventually.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

describe('startPostgres', () => {
  const servers: PostgresServer[] = [];
  const start = async () => {
    const server = await startPostgres();
    servers.push(server);
    return server;
  };
  const ask = async (server: PostgresServer, text: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(text)).rows as unknown[];
    } finally {
      await client.end();
    }
  };

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  it('gives each caller a server of its own', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    await ask(one, 'create table here (a int)');
    expect(await ask(two, "select to_regclass('here') as found")).toEqual([{ found: null }]);
  });

  it('has its data again after a restart, and after a kill', async () => {
    const server = await start();
    await ask(server, 'create table kept as select 7 as a');
    await server.restart();
    expect(await ask(server, 'select a from kept')).toEqual([{ a: 7 }]);
    await server.kill();
    await server.restart();
    await eventually(async () => (await ask(server, 'select a from kept')).length === 1);
  });

  it('leaves no process behind', async () => {
    const server = await startPostgres();
    const { pid } = server;
    await server.stop();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

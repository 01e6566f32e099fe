import { describe, expect, it } from '@jest/globals';

import { eventually } from './eventually.js';
import { askPostgres, startPostgres, type PostgresServer } from './postgres-server.js';
import { endedAfterEach } from './suites.js';

describe('startPostgres', () => {
  const servers = endedAfterEach<PostgresServer>((server) => server.stop());
  const start = async () => {
    const server = await startPostgres();
    servers.push(server);
    return server;
  };
  const ask = (server: PostgresServer, text: string) => askPostgres(server.url, text);

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

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, isIPv6, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { endedAfterEach, freePort, startProcess, type ManagedProcess } from '#testing';

import { portTaken } from './port-holder.js';

const VARIABLE = 'BERTH_ADMIN_PORT';
const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;

const started = endedAfterEach<ManagedProcess>((one) => one.kill());
const servers = endedAfterEach<Server>((server) => new Promise((resolve) => server.close(resolve)));

/** Another process that listens there. */
async function holder(host: string, port: number, ...args: string[]): Promise<ManagedProcess> {
  const code = `require('node:net').createServer().listen(${port}, ${JSON.stringify(host)}, () => console.log('listens'))`;
  const one = await startProcess(process.execPath, ['-e', code, '--', ...args], { ready: { line: /^listens$/ } });
  started.push(one);
  return one;
}

async function listenError(address: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer();
  const failed = once(server, 'error') as Promise<[NodeJS.ErrnoException]>;
  const listening = once(server.listen({ host: address, port, exclusive: true }), 'listening').then(() => undefined);
  const error = await Promise.race([listening, failed.then(([reason]) => reason)]);
  if (error === undefined) servers.push(server);
  return error;
}

describeOnLinux('a port that is taken names its holder', () => {
  const pairs = [
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '0.0.0.0'],
    ['::', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
  ] as const;

  it.each(pairs.filter((pair) => hasIPv6 || !pair.some(isIPv6)))(
    'that listens on %s, to who would listen on %s',
    async (theirs, address) => {
      const port = await freePort();
      const other = await holder(theirs, port);
      expect((await listenError(address, port))?.code).toBe('EADDRINUSE');
      expect(portTaken({ address, port, variable: VARIABLE })).toBe(
        `is taken by another process: ${other.pid} (node). Stop it, or set BERTH_ADMIN_PORT.`,
      );
    },
  );

  it('and not one that listens on the same port of another address', async () => {
    const port = await freePort();
    await holder('127.0.0.2', port);
    const other = await holder('127.0.0.1', port);
    expect(portTaken({ address: '127.0.0.1', port, variable: VARIABLE })).toContain(`: ${other.pid} (node). Stop`);
  });

  it('that has an outgoing connection from it', async () => {
    const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const port = socket.localPort!;
    const error = await listenError('127.0.0.1', port);
    const sentence = portTaken({ address: '127.0.0.1', port, variable: VARIABLE });
    socket.destroy();
    expect(error?.code).toBe('EADDRINUSE');
    expect(sentence).toMatch(new RegExp(`^is taken by another process: ${process.pid} \\(node\\)`));
  });

  it('without its arguments, which may be secrets', async () => {
    const port = await freePort();
    await holder('127.0.0.1', port, '--requirepass', 'secret');
    expect(portTaken({ address: '127.0.0.1', port, variable: VARIABLE })).not.toContain('secret');
  });

  it('when it is another Berth, with how to stop it', async () => {
    const port = await freePort();
    const other = await holder('127.0.0.1', port, '/opt/berth/dist/apps/limits-admin/src/main.js');
    expect(portTaken({ address: '127.0.0.1', port, variable: VARIABLE })).toBe(
      `is taken by another Berth: process ${other.pid} (limits-admin). Stop it with kill ${other.pid}, or set BERTH_ADMIN_PORT.`,
    );
  });
});

describe('a port whose holder cannot be seen', () => {
  it('because it is of another user: says of whom, and what names it', () => {
    const proc = mkdtempSync(join(tmpdir(), 'berth-proc-'));
    mkdirSync(join(proc, 'net'));
    // What /proc shows of port 8080 on 127.0.0.1; the folders of the process itself are closed.
    const row =
      '  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 31337 1 0 100 0 0 10 0';
    writeFileSync(join(proc, 'net', 'tcp'), `  sl  local_address rem_address   st …\n${row}\n`);
    const sentence = portTaken({ address: '127.0.0.1', port: 8080, variable: VARIABLE }, proc);
    rmSync(proc, { recursive: true });
    expect(sentence).toBe(
      "is taken by another process, of the user with id 104; as root, ss -ltnp 'sport = :8080' names it. Stop it, or set BERTH_ADMIN_PORT.",
    );
  });

  it('because this is no Linux: says what names it', () => {
    expect(portTaken({ address: '127.0.0.1', port: 8080, variable: VARIABLE }, '/no/such/folder')).toBe(
      'is taken by another process; lsof -nP -iTCP:8080 names it. Stop it, or set BERTH_ADMIN_PORT.',
    );
  });
});

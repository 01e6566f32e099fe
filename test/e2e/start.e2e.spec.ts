import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect, it } from '@jest/globals';

import {
  describeWith,
  eventually,
  findTool,
  freePort,
  makeAuthority,
  startProcess,
  startRedis,
  type ManagedProcess,
} from '#testing';

const SCRIPT = resolve('scripts/start.mjs');
const READY = resolve('scripts/ready.mjs');
const REACHED_THE_SCREEN = /^Ctrl-C stops everything/;
const START_LIMIT_MS = 60_000;
/** For what only /proc tells. */
const itOnLinux = process.platform === 'linux' ? it : it.skip;

describeWith(['redis-server', 'curl', 'openssl'], 'npm start', () => {
  let folder: string;
  let env: Record<string, string | undefined>;
  let runs: ManagedProcess[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-start-'));
    runs = [];
    env = {
      NODE_OPTIONS: undefined,
      BERTH_DATA_DIR: join(folder, 'data'),
      BERTH_REDIS_URL: undefined,
      REDIS_HOST: undefined,
      REDIS_PORT: undefined,
      REDIS_PASSWORD: undefined,
      REDIS_DB: undefined,
      BERTH_GATEWAY_PORT: String(await freePort()),
      BERTH_ADMIN_PORT: String(await freePort()),
      BERTH_REAPER_PORT: String(await freePort()),
      BERTH_GRPC_PORT: String(await freePort()),
    };
  });

  afterEach(async () => {
    await Promise.all(runs.map((run) => run.stop(30_000)));
    await eventually(async () => (await processesIn(folder)).length === 0, {
      timeoutMs: 30_000,
      what: 'every process to be gone',
    });
    await rm(folder, { recursive: true, force: true });
  });

  async function start(ready?: { line: RegExp }): Promise<ManagedProcess> {
    const run = await startProcess(process.execPath, [SCRIPT], {
      env,
      cwd: folder,
      deathSignal: 'SIGTERM',
      stopSignal: 'SIGINT',
      readyTimeoutMs: START_LIMIT_MS,
      ...(ready && { ready }),
    });
    runs.push(run);
    return run;
  }

  itOnLinux(
    'shows a first call that is answered with 201, and stops without leaving a process',
    async () => {
      const berth = await start({ line: REACHED_THE_SCREEN });

      expect(await firstCall(berth)).toMatchObject({ status: 201, body: { decision: 'admitted' } });
      expect(await processesIn(folder)).toHaveLength(6); // itself, its guard, Redis and three apps
      berth.signal('SIGINT');

      expect(await berth.exited).toEqual({ code: 0, signal: null });
      expect(await processesIn(folder)).toEqual([]);
    },
    120_000,
  );

  /** Each says where Redis is in a way that a reader with rules of its own has missed. */
  it.each([
    { how: 'REDIS_PORT without REDIS_HOST', variables: (port: string) => ({ REDIS_PORT: port }), yaml: '' },
    {
      how: 'a file in which YAML takes 0409828030 and 409828030 for one',
      variables: () => ({}),
      yaml: 'limits: { user_session_limits: { 0409828030: 2, 409828030: 3 } }\nredis: { host: 127.0.0.1, port: "${PORT}" }\n',
    },
  ])(
    'starts no Redis of its own where one is named by $how',
    async ({ variables, yaml }) => {
      const redis = await startRedis();
      try {
        const { port } = new URL(redis.url);
        Object.assign(env, variables(port), { PORT: port });
        await writeFile(join(folder, 'berth.yaml'), yaml);

        const berth = await start({ line: REACHED_THE_SCREEN });

        expect(berth.output()).toContain(`Redis              127.0.0.1:${port}\n`);
        expect(await firstCall(berth)).toMatchObject({ status: 201 });
        expect(await redis.client().keys('*call-1*')).not.toEqual([]);
        expect((await processesIn(folder)).filter(({ command }) => command.includes('redis'))).toEqual([]);
        berth.signal('SIGINT');
        await berth.exited;
      } finally {
        await redis.stop();
      }
    },
    120_000,
  );

  it('serves HTTPS where http.tls says so, shows it, and gives the metrics of each app a port of its own', async () => {
    const authority = await makeAuthority(folder, 'authority');
    const { certFile, keyFile } = await authority.issue('server');
    const metricsPort = await freePort();
    const tls = `http: { tls: { cert_file: '${certFile}', key_file: '${keyFile}' } }\n`;
    await writeFile(join(folder, 'berth.yaml'), `${tls}metrics: { port: ${metricsPort} }\n`);

    const berth = await start({ line: REACHED_THE_SCREEN });

    expect(berth.output()).toContain(`limits-admin       https://127.0.0.1:${env['BERTH_ADMIN_PORT']}  limits`);
    expect(await firstCall(berth, { BERTH_CA: authority.caFile })).toMatchObject({ status: 201 });
    const ports = [metricsPort, metricsPort + 1, metricsPort + 2];
    expect(berth.output()).toContain(`Metrics            without a key at ports ${ports.join(', ')}\n`);
    const statuses = ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).status);
    expect(await Promise.all(statuses)).toEqual([200, 200, 200]);
    const probe = async (...args: string[]) => await promisify(execFile)(process.execPath, [READY, ...args]);
    await probe(env['BERTH_GATEWAY_PORT']!);
    await expect(probe(String(await freePort()))).rejects.toThrow('no answer connect ECONNREFUSED');
    berth.signal('SIGINT');
    await berth.exited;
  });

  itOnLinux('names the process that holds a port of an app', async () => {
    const server: Server = createServer().listen(Number(env['BERTH_GATEWAY_PORT']), '127.0.0.1');
    await once(server, 'listening');
    const berth = await start();
    expect(await berth.exited).toEqual({ code: 1, signal: null });
    server.close();
    expect(berth.output()).toContain(
      `Port ${env['BERTH_GATEWAY_PORT']} on 127.0.0.1, for the admission-gateway, is taken by another process: ` +
        `${process.pid} (node). Stop it, or set BERTH_GATEWAY_PORT.`,
    );
  });

  it('refuses one port for two apps', async () => {
    env['BERTH_ADMIN_PORT'] = env['BERTH_GATEWAY_PORT'];
    const berth = await start();
    expect(await berth.exited).toEqual({ code: 1, signal: null });
    expect(berth.output()).toContain('BERTH_GATEWAY_PORT and BERTH_ADMIN_PORT are both');
  });

  it('shows how far a long step is, also where its output is no terminal', async () => {
    const clone = join(folder, 'clone');
    const [packages, bin] = [join(clone, 'node_modules'), join(folder, 'bin')];
    for (const name of ['scripts', 'package.json', 'package-lock.json'])
      await cp(resolve(name), join(clone, name), { recursive: true });
    // As from a registry that is slow: a package comes, then nothing for long.
    await mkdir(bin);
    await writeFile(
      join(bin, 'npm'),
      `#!/bin/sh\nmkdir -p "${packages}/zod"\n: > "${packages}/zod/package.json"\nexec sleep 60\n`,
    );
    await chmod(join(bin, 'npm'), 0o755);
    const berth = await startProcess(process.execPath, [join(clone, 'scripts/start.mjs')], {
      env: { ...env, PATH: `${bin}:${process.env['PATH']}` },
      cwd: folder,
      deathSignal: 'SIGTERM',
    });
    runs.push(berth);

    await eventually(() => /^ {2}\d+ s: 1 of \d{3,} packages …\n {2}\d+ s:/m.test(berth.output()), {
      what: 'two lines of progress',
      timeoutMs: 60_000,
    });

    expect(berth.output()).toMatch(/^Installing the dependencies \(npm ci\) …\n {2}5 s: /);
    berth.signal('SIGINT');
    expect(await berth.exited).toEqual({ code: 0, signal: null });
  }, 120_000);

  it('keeps a live session from one start to the next', async () => {
    const before = await start({ line: REACHED_THE_SCREEN });
    await firstCall(before);
    before.signal('SIGTERM');
    await before.exited;

    await start({ line: REACHED_THE_SCREEN });

    const answer = await fetch(`http://127.0.0.1:${env['BERTH_GATEWAY_PORT']}/v1/sessions/call-1`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ id: 'call-1', user: 'alice', state: 'active' });
  }, 120_000);

  it('passes on the kind of signal that it got: SIGTERM drains, SIGINT stops at once', async () => {
    await writeFile(join(folder, 'berth.yaml'), 'shutdown: { grace: 10m }\n');
    const berth = await start({ line: REACHED_THE_SCREEN });
    const ready = async () => {
      const answer = await fetch(`http://127.0.0.1:${env['BERTH_GATEWAY_PORT']}/health/ready`);
      return { status: answer.status, body: (await answer.json()) as { status: string } };
    };

    berth.signal('SIGTERM');
    berth.signal('SIGTERM'); // as where npm and a supervisor both send it

    await eventually(async () => expect(await ready()).toMatchObject({ status: 503, body: { status: 'draining' } }));
    expect(await firstCall(berth)).toMatchObject({ status: 201 });
    berth.signal('SIGINT');
    expect(await berth.exited).toEqual({ code: 0, signal: null });
    for (const app of ['admission-gateway', 'limits-admin', 'session-reaper']) {
      const log = await readFile(join(folder, 'data/logs', `${app}.log`), 'utf8');
      const messages = log.split('\n').filter((line) => /"(Draining|Stopping|Stopped)"/.test(line));
      expect(messages.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual([
        'Draining',
        'Stopping',
        'Stopped',
      ]);
    }
  }, 120_000);

  it('passes SIGHUP on: the apps read their configuration again', async () => {
    const berth = await start({ line: REACHED_THE_SCREEN });
    berth.signal('SIGHUP');
    for (const app of ['admission-gateway', 'limits-admin', 'session-reaper']) {
      const log = () => readFile(join(folder, 'data/logs', `${app}.log`), 'utf8');
      await eventually(async () => expect(await log()).toMatch(/^(?=.*"SIGHUP").*"Configuration read again"/m));
    }
    expect(await firstCall(berth)).toMatchObject({ status: 201 });
    berth.signal('SIGINT');
    expect(await berth.exited).toEqual({ code: 0, signal: null });
  }, 120_000);

  (findTool('script') === null ? it.skip : itOnLinux)(
    'stops when its terminal is closed, which sends SIGHUP too',
    async () => {
      const terminal = await startProcess('script', ['-qfec', `${process.execPath} ${SCRIPT}`, '/dev/null'], {
        env,
        cwd: folder,
        readyTimeoutMs: START_LIMIT_MS,
        ready: { line: REACHED_THE_SCREEN },
      });
      await terminal.kill();
      await eventually(async () => (await processesIn(folder)).length === 0, { timeoutMs: 30_000 });
      expect(await readFile(join(folder, 'data/logs/admission-gateway.log'), 'utf8')).toMatch(
        /"Draining"(.|\n)*"Stopped"/,
      );
    },
    120_000,
  );

  it('takes one Ctrl-C that arrives twice, from the terminal and from npm, as one', async () => {
    const berth = await start({ line: REACHED_THE_SCREEN });

    berth.signal('SIGINT');
    berth.signal('SIGINT');

    expect(await berth.exited).toEqual({ code: 0, signal: null });
    expect(await readFile(join(folder, 'data/logs/admission-gateway.log'), 'utf8')).not.toContain('Draining');
  }, 120_000);

  it('refuses a second start with the same data, and one whose ports are taken', async () => {
    const first = await start({ line: REACHED_THE_SCREEN });

    const second = await start();
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.output()).toContain(`Berth runs already with data (process ${first.pid}`);

    env['BERTH_DATA_DIR'] = join(folder, 'other');
    const third = await start();
    expect(await third.exited).toEqual({ code: 1, signal: null });
    expect(third.output()).toContain(`Port ${env['BERTH_ADMIN_PORT']} on 127.0.0.1`);
    expect(third.output()).toContain('set BERTH_ADMIN_PORT');
    if (process.platform === 'linux') {
      const holder = await pidOf(folder, 'limits-admin');
      expect(third.output()).toContain(
        `is taken by another Berth: process ${holder} (limits-admin) of the npm start with process ${first.pid}. ` +
          `Stop it with Ctrl-C there or with kill ${first.pid}, or set BERTH_ADMIN_PORT.`,
      );
    }
    expect((await fetch(`http://127.0.0.1:${env['BERTH_GATEWAY_PORT']}/health/ready`)).status).toBe(200);
  }, 120_000);

  itOnLinux(
    'stops all and says which app was lost when one ends by itself',
    async () => {
      const berth = await start({ line: REACHED_THE_SCREEN });

      process.kill(await pidOf(folder, 'session-reaper'), 'SIGKILL');

      expect(await berth.exited).toEqual({ code: 1, signal: null });
      expect(berth.output()).toContain('session-reaper ended by itself (ended by SIGKILL)');
      expect(await processesIn(folder)).toEqual([]);
    },
    120_000,
  );

  it('shows what an app says of a wrong setting', async () => {
    env['BERTH_LOG_LEVEL'] = 'loud';

    const berth = await start();

    expect(await berth.exited).toEqual({ code: 1, signal: null });
    expect(berth.output()).toContain('BERTH_LOG_LEVEL');
    expect(await processesIn(folder)).toEqual([]);
  }, 120_000);

  it('leaves nothing for ever when it is killed, and starts again', async () => {
    const berth = await start({ line: REACHED_THE_SCREEN });
    await firstCall(berth);
    await berth.kill();

    const next = await start({ line: REACHED_THE_SCREEN });

    expect(await firstCall(next)).toMatchObject({ status: 200, body: { decision: 'admitted' } });
  }, 120_000);
});

/** Runs the command that the screen shows as the first call. */
async function firstCall(
  berth: ManagedProcess,
  env: Record<string, string> = {},
): Promise<{ status: number; body: unknown }> {
  const command = /^ +(curl .*\/v1\/sessions .*)$/m.exec(berth.output())?.[1];
  if (command === undefined) throw new Error(`No first call on the screen:\n${berth.output()}`);
  const { stdout } = await promisify(execFile)('sh', ['-c', `${command} -w '\\n%{http_code}'`], {
    env: { ...process.env, ...env },
  });
  const [body = '', status] = stdout.split('\n');
  return { status: Number(status), body: JSON.parse(body) as unknown };
}

/**
 * All processes that a start with its data in this folder has begun: their environment names it, or, since Redis writes its
 * title over its environment, they work in it. Only Linux tells; elsewhere none are seen.
 */
async function processesIn(folder: string): Promise<{ pid: number; command: string }[]> {
  const found = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string) => readFile(join('/proc', name, file), 'utf8').catch(() => '');
    const workingFolder = await readlink(join('/proc', name, 'cwd')).catch(() => '');
    const isOurs = workingFolder.startsWith(folder) || (await read('environ')).includes(`BERTH_DATA_DIR=${folder}/`);
    if (isOurs) found.push({ pid: Number(name), command: (await read('cmdline')).replaceAll('\0', ' ') });
  }
  return found;
}

async function pidOf(folder: string, app: string): Promise<number> {
  const found = (await processesIn(folder)).find(({ command }) => command.includes(app));
  if (found === undefined) throw new Error(`${app} does not run`);
  return found.pid;
}

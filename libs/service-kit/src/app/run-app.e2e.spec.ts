import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as elapsed } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import {
  endedAfterEach,
  eventually,
  startProcess,
  startRedis,
  type ExitStatus,
  type ManagedProcess,
  type RedisServer,
} from '#testing';

const onLinux = process.platform === 'linux' ? it : it.skip;
const FIXTURE = join(import.meta.dirname, 'run-app.fixture.mjs');

let redis: RedisServer;
const dir = mkdtempSync(join(tmpdir(), 'berth-stop-'));

beforeAll(async () => {
  redis = await startRedis();
});

const started = endedAfterEach<ManagedProcess>((app) => app.kill());

afterAll(async () => {
  await redis?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<ManagedProcess> {
  const app = await startApp(env);
  started.push(app);
  return app;
}

/** A configuration file with this grace. */
function grace(duration: string): Record<string, string> {
  const file = join(dir, `grace-${duration}.yaml`);
  writeFileSync(file, `shutdown: { grace: ${duration} }`);
  return { BERTH_CONFIG: file };
}

function startApp(env: Record<string, string>, ...hangs: string[]): Promise<ManagedProcess> {
  return startProcess(process.execPath, [FIXTURE, ...hangs], {
    cwd: join(import.meta.dirname, '..'),
    env: { BERTH_REDIS_URL: redis.url, BERTH_GATEWAY_PORT: '0', ...grace('200ms'), ...env },
    ready: { line: /"Listening"/ },
  });
}

/** The failure of a start that must not succeed. */
const failureOf = (env: Record<string, string>) =>
  start(env).then(
    () => Promise.reject(new Error('it started')),
    (error: Error) => error.message,
  );

function lines(app: ManagedProcess): Record<string, unknown>[] {
  const written = app.output().split('\n');
  return written.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
}

const urlOf = (app: ManagedProcess) => String(lines(app).find(({ message }) => message === 'Listening')?.['url']);
const messages = (app: ManagedProcess) => lines(app).map(({ message }) => message);

/** A GET whose connection the agent keeps, unless the answer closes it. */
async function getWith(agent: Agent, url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response;
}

const kept = (agent: Agent) => Object.values(agent.freeSockets).flat().length;

describe('a process', () => {
  it('stops on SIGTERM: finishes what is in flight, takes nothing new, destroys modules while Redis is there, exits with 0', async () => {
    const app = await start();
    const agent = new Agent({ keepAlive: true });
    const request = get(`${urlOf(app)}/test/slow`, { agent });
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    await eventually(() => app.output().includes('slow request has begun'));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Stopping'));
    const isRefused = () => fetch(`${urlOf(app)}/health/live`).then(() => false, () => true); // prettier-ignore
    await eventually(isRefused, { what: 'the port to be closed' });
    const [response] = await answered;
    expect(response.statusCode).toBe(200);
    response.resume();
    expect(await app.exited).toEqual({ code: 0, signal: null });
    expect(messages(app).slice(-4)).toEqual(['Draining', 'Stopping', 'Module destroyed', 'Stopped']);
    expect(lines(app)).toContainEqual(expect.objectContaining({ message: 'Module destroyed', redis: 'PONG' }));
    agent.destroy();
  });

  it('stops at once on a second signal', async () => {
    const app = await start();
    const request = get(`${urlOf(app)}/test/stuck`);
    const broken = once(request, 'error');
    await eventually(() => app.output().includes('stuck request has begun'));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Stopping'));
    // A signal right after the first is the same one, passed on; the one that counts comes later.
    await eventually(() => {
      app.signal('SIGINT');
      return !app.running;
    });
    expect(await app.exited).toEqual({ code: 1, signal: null });
    await broken;
  });

  it('starts without Redis, is not ready, and becomes ready when Redis comes', async () => {
    const late = await startRedis();
    await late.kill();
    const app = await start({ BERTH_REDIS_URL: late.url });
    try {
      const ready = () => fetch(`${urlOf(app)}/health/ready`);
      expect((await ready()).status).toBe(503);
      expect((await fetch(`${urlOf(app)}/health/live`)).status).toBe(200);
      await late.restart();
      await eventually(async () => (await ready()).status === 200);
      await eventually(() => messages(app).includes('Redis connection restored'));
      expect(messages(app).filter((message) => message === 'Redis connection lost')).toHaveLength(1);
    } finally {
      await app.stop();
      await late.stop();
    }
  });
});

describe('SIGTERM drains:', () => {
  const agents: Agent[] = [];
  const newAgent = () => {
    agents.push(new Agent({ keepAlive: true }));
    return agents.at(-1)!;
  };
  afterEach(() => {
    for (const agent of agents.splice(0)) agent.destroy();
  });

  it('is not ready first, serves on for shutdown.grace and asks clients to leave, then stops', async () => {
    const app = await start(grace('2s'));
    const [agent, idle] = [newAgent(), newAgent()];
    expect((await getWith(agent, `${urlOf(app)}/health/ready`)).statusCode).toBe(200);
    await getWith(idle, `${urlOf(app)}/health/live`);
    const signalledAt = performance.now();
    app.signal('SIGTERM');
    await eventually(async () => (await fetch(`${urlOf(app)}/health/ready`)).status === 503, { intervalMs: 10 });
    expect(await (await fetch(`${urlOf(app)}/health/ready`)).json()).toMatchObject({ status: 'draining' });
    // The connection from before is used once more, and so is a new one; neither is kept.
    for (const left of [1, 0]) {
      expect(kept(agent)).toBe(left);
      const answer = await getWith(agent, `${urlOf(app)}/health/live`);
      expect([answer.statusCode, answer.headers.connection]).toEqual([200, 'close']);
    }
    expect(kept(idle)).toBe(1);
    expect(await app.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - signalledAt).toBeGreaterThan(2_000);
    expect(messages(app).slice(-4)).toEqual(['Draining', 'Stopping', 'Module destroyed', 'Stopped']);
    await eventually(() => kept(idle) === 0);
  });

  it('answers all of the requests that were sent together, and closes with the last', async () => {
    const app = await start(grace('10m'));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Draining'));
    const { hostname, port } = new URL(urlOf(app));
    const socket = connect(Number(port), hostname);
    const request = 'GET /test/soon HTTP/1.1\r\nHost: localhost\r\n\r\n';
    socket.write(request.repeat(3));
    let answers = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answers += text));
    await once(socket, 'close');
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
    expect(answers.match(/^Connection: close/gim)).toHaveLength(1);
    app.signal('SIGINT');
    expect(await app.exited).toEqual({ code: 0, signal: null });
  });

  it('SIGINT stops at once, and cuts the grace short', async () => {
    const app = await start(grace('10m'));
    app.signal('SIGINT');
    expect(await app.exited).toEqual({ code: 0, signal: null });
    expect(messages(app).slice(-3)).toEqual(['Stopping', 'Module destroyed', 'Stopped']);
    expect(messages(app)).not.toContain('Draining');

    const draining = await start(grace('10m'));
    draining.signal('SIGTERM');
    await eventually(() => messages(draining).includes('Draining'));
    draining.signal('SIGINT');
    expect(await draining.exited).toEqual({ code: 0, signal: null });
    expect(messages(draining).slice(-4)).toEqual(['Draining', 'Stopping', 'Module destroyed', 'Stopped']);
  });

  it('a second SIGTERM stops at once, in order; one that is passed on beside the first is no second', async () => {
    const app = await start(grace('10m'));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Draining'), { intervalMs: 5 });
    app.signal('SIGTERM');
    await elapsed(600);
    expect(messages(app)).not.toContain('Stopping');
    app.signal('SIGTERM');
    expect(await app.exited).toEqual({ code: 0, signal: null });
    expect(messages(app).slice(-4)).toEqual(['Draining', 'Stopping', 'Module destroyed', 'Stopped']);
  });

  it('closes no connection whose next request has come', async () => {
    const app = await start(grace('500ms'));
    const idle = Array.from({ length: 8 }, newAgent);
    await Promise.all(idle.map((agent) => getWith(agent, `${urlOf(app)}/health/live`)));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Draining'), { intervalMs: 5 });
    const busy = getWith(newAgent(), `${urlOf(app)}/test/busy`);
    await eventually(() => app.output().includes('busy request has begun'), { intervalMs: 5 });
    // Both wait for the main thread: the end of the grace, and requests on connections that count as idle.
    const answers = await Promise.all(idle.map((agent) => getWith(agent, `${urlOf(app)}/health/live`)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(idle.map(() => 200));
    expect((await busy).statusCode).toBe(200);
    expect(await app.exited).toEqual({ code: 0, signal: null });
  });
});

describe('a stop is bounded whatever hangs:', () => {
  const pipe = join(dir, 'pipe');
  const hangs = ['part', 'parts', 'main thread', pipe];
  const stops = new Map<string, { exit: ExitStatus | 'none'; log: Record<string, unknown>[] }>();

  /** Side by side, because each takes as long as a stop may. */
  beforeAll(async () => {
    execFileSync('mkfifo', [pipe]);
    await Promise.all(
      hangs.map(async (what) => {
        const app = await startApp({}, what);
        app.signal('SIGTERM');
        const exit = await Promise.race([app.exited, elapsed(30_000, 'none' as const, { ref: false })]);
        await app.kill();
        stops.set(what, { exit, log: lines(app) });
      }),
    );
  });

  it('one part, which is named and left behind', () => {
    const { exit, log } = stops.get('part')!;
    expect(exit).toEqual({ code: 0, signal: null });
    const message = 'A part does not stop; going on without it';
    const hung = { level: 'warn', step: 'TestModule.onModuleDestroy', message };
    expect(log.slice(-2)).toMatchObject([hung, { message: 'Stopped' }]);
  });

  it('more parts than there is time for, which are named', () => {
    const { exit, log } = stops.get('parts')!;
    expect(exit).toEqual({ code: 1, signal: null });
    const hung = Array.from({ length: 4 }, () => 'HungModule.onModuleDestroy');
    expect(log.at(-1)).toMatchObject({ level: 'error', message: 'Not stopped in time; ending all the same', hung });
  });

  it('the main thread, whose process is killed', () => {
    const { exit, log } = stops.get('main thread')!;
    expect(exit).toEqual({ code: null, signal: 'SIGKILL' });
    expect(log.at(-1)).toMatchObject({ message: 'Stopping' });
  });

  it('a call of the system, which is named and whose process is killed', () => {
    const { exit, log } = stops.get(pipe)!;
    expect(exit).toEqual({ code: null, signal: 'SIGKILL' });
    const message = expect.stringContaining('A call of the system does not return') as unknown;
    // Another thread may be in a call that returns by itself.
    const hung = { level: 'error', hung: expect.arrayContaining(['FSReqPromise']) as unknown, message };
    expect(log.slice(-3)).toMatchObject([{ message: 'Module destroyed' }, { message: 'Stopped' }, hung]);
  });
});

describe('a start that fails', () => {
  it('lists what is wrong with the configuration', async () => {
    const message = await failureOf({ BERTH_CONFIG: '', BERTH_LOG_LEVEL: 'loud', MAX_SESSIONS_PER_USER: 'x' });
    expect(message).toContain(
      'test-app: Configuration refused (environment):\n  BERTH_LOG_LEVEL: found "loud", expected',
    );
    expect(message).toContain('\n  MAX_SESSIONS_PER_USER: found "x", expected');
  });

  it('refuses to serve the network without keys', async () => {
    expect(await failureOf({ BERTH_HOST: '0.0.0.0' })).toContain(
      'BERTH_HOST: found "0.0.0.0", expected a loopback address',
    );
  });

  it('says that metrics.port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const message = await failureOf({ BERTH_METRICS_PORT: String(port) });
    expect(message).toContain(`metrics.port: 127.0.0.1:${port} is taken by another process`);
    expect(message).toContain('or set metrics.port, for this process alone BERTH_METRICS_PORT');
    other.close();
  });

  it('says that the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const message = await failureOf({ BERTH_GATEWAY_PORT: String(port) });
    other.close();
    expect(message).toContain(`test-app: cannot start: 127.0.0.1:${port} is taken by another process`);
  });

  onLinux('names the holder of a port that is taken', async () => {
    const other = await start();
    const { port } = new URL(urlOf(other));
    const message = await failureOf({ BERTH_GATEWAY_PORT: port });
    expect(message).toContain(
      `127.0.0.1:${port} is taken by another process: ${other.pid} (node). Stop it, or set BERTH_*_PORT.`,
    );
  });
});

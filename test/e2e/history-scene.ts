import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect } from '@jest/globals';
import type { Redis } from 'ioredis';

import { historyKeys, inboxKeys } from '#session-core';
import {
  eventually,
  startBerth,
  startPostgres,
  startRedis,
  type Berth,
  type BerthApp,
  type BerthAppName,
  type ManagedProcess,
  type PostgresServer,
} from '#testing';

import { FleetNode } from './fleet-node.js';
import { Callers } from './history-callers.js';
import { caughtUp, wrongIn } from './history-check.js';
import { smallDisk, type SmallDisk } from './history-disk.js';
import { Load, type LoadOptions } from './history-load.js';
import { randomOf, type Random } from './history-requests.js';

const CONFIG = `
store: { decision_deadline_ms: 3000 }
history: { batch_interval_ms: 200 }
nodes: { lease: 3, missed_beats: 3, snapshot_interval: 6 }
tenants: { acme: { shards: 3 } }
`;
/** As gateways are connected: no command is kept for later, none is sent twice. */
const UNREPEATED = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 };
/** What a machine that has other things to do may need. */
export const PATIENT = { timeoutMs: 60_000, intervalMs: 100 };

interface HistoryHealth {
  status: string;
  writer: string;
  behind_seconds: number | null;
  warnings?: string[];
}

/** A Redis, a folder, and what a test starts with them; `close` leaves nothing of it. */
export class Scene {
  readonly seed = Number(process.env['BERTH_TEST_SEED'] ?? Date.now() % 1_000_000);
  readonly random: Random = randomOf(this.seed);
  private readonly berths: Berth[] = [];
  private readonly cleanups: (() => Promise<void>)[] = [];
  /** What has to end before the processes that it talks to. */
  private readonly endings: (() => Promise<void>)[] = [];

  private constructor(
    readonly redis: Awaited<ReturnType<typeof startRedis>>,
    readonly client: Redis,
    readonly dir: string,
  ) {}

  static async open(redisArgs: string[] = []): Promise<Scene> {
    const redis = await startRedis({ args: redisArgs });
    return new Scene(redis, redis.client(), await mkdtemp(join(tmpdir(), 'berth-account-')));
  }

  get file(): string {
    return `sqlite://${join(this.dir, 'history.db')}`;
  }

  async postgres(): Promise<PostgresServer> {
    const server = await startPostgres();
    this.cleanups.push(() => server.stop());
    return server;
  }

  /** Stops all of it: its connections stay open, and nobody answers. Returns what lets it go on. */
  async hang(postgres: PostgresServer): Promise<() => void> {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(postgres.pid)]);
    const pids = [postgres.pid, ...stdout.trim().split(/\s+/).map(Number)];
    let hangs = true;
    const resume = () => {
      if (hangs) for (const pid of pids) process.kill(pid, 'SIGCONT');
      hangs = false;
    };
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    this.endings.push(async () => resume());
    return resume;
  }

  /** At the folder `small`, where a database may be put whose writer is `writer`. */
  async smallDisk(writer: () => ManagedProcess): Promise<{ disk: SmallDisk; url: string }> {
    const folder = join(this.dir, 'small');
    await mkdir(folder);
    const disk = await smallDisk(folder, writer);
    this.cleanups.push(() => disk.remove());
    return { disk, url: `sqlite://${join(folder, 'history.db')}` };
  }

  async start(url: string, ...apps: BerthAppName[]): Promise<Berth> {
    const env = { BERTH_DATABASE_URL: url };
    const berth = await startBerth({
      redisUrl: this.redis.url,
      apps: ['limits-admin', ...apps],
      configYaml: CONFIG,
      env,
    });
    this.berths.push(berth);
    return berth;
  }

  async admin(url: string, ...apps: BerthAppName[]): Promise<BerthApp> {
    return (await this.start(url, ...apps)).app('limits-admin');
  }

  /** Callers of a gateway, who are in the account of the load too. */
  callers(gateway: BerthApp, { account }: Load): Callers {
    const callers = new Callers(gateway.url, account).start();
    this.endings.push(async () => void (await callers.stop()));
    return callers;
  }

  /** A server that beats and holds sessions. */
  node(name: string, gateway: string): FleetNode {
    const node = new FleetNode(name, [gateway]).start(1_000);
    this.endings.push(() => node.kill());
    return node;
  }

  async load(options: Partial<LoadOptions> = {}): Promise<Load> {
    const client = this.redis.client(UNREPEATED);
    await eventually(() => client.status === 'ready');
    const load = new Load({ client, seed: this.seed, ...options });
    this.endings.push(() => load.abort());
    return await load.start();
  }

  /** Ends the load, waits until history has all of it, and compares. */
  async isRight(load: Load, url: string): Promise<void> {
    await load.enough();
    const account = await load.stop();
    this.expectNothing('failures', load.failures);
    await caughtUp(this.client, load.tenant);
    expect(await this.client.xlen(inboxKeys.deadLetters('default'))).toBe(0);
    this.expectNothing('wrong', await wrongIn(url, account, load.tenant));
  }

  /** With the seed beside it, that it may be run again: BERTH_TEST_SEED. */
  expectNothing(what: string, found: readonly string[]): void {
    expect({ seed: this.seed, [what]: found }).toEqual({ seed: this.seed, [what]: [] });
  }

  /** As when the process that has it died long ago. */
  async expireLease(): Promise<void> {
    await this.client.del(historyKeys.lease);
  }

  async close(): Promise<void> {
    await Promise.all(this.endings.map((end) => end()));
    await Promise.all(this.berths.map((berth) => berth.stop()));
    await Promise.all(this.cleanups.map((cleanup) => cleanup()));
    await this.redis.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export async function healthOf({ url }: BerthApp): Promise<HistoryHealth> {
  const reply = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) });
  const { checks } = (await reply.json()) as { checks: { history: HistoryHealth } };
  return checks.history;
}

export async function isWriter(admin: BerthApp): Promise<void> {
  await eventually(async () => (await healthOf(admin)).writer === 'here', { ...PATIENT, what: 'it to write history' });
}

export async function hasStatus(
  admin: BerthApp,
  status: 'ok' | 'degraded',
  warning = '',
  timeoutMs = PATIENT.timeoutMs,
): Promise<void> {
  await eventually(
    async () => {
      const health = await healthOf(admin);
      expect(health.status).toBe(status);
      expect(health.warnings?.join() ?? '').toContain(warning);
    },
    { ...PATIENT, timeoutMs, what: `history to be ${status}` },
  );
}

/** For a suite: a scene for each test, which is closed after it. */
export function onScenes(begin: (scene: Scene) => void, ...options: Parameters<typeof Scene.open>): void {
  let scene: Scene | undefined;
  beforeEach(async () => {
    scene = undefined;
    scene = await Scene.open(...options);
    begin(scene);
  });
  afterEach(() => scene?.close());
}

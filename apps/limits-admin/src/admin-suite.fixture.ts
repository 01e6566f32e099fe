import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Redis } from 'ioredis';

import { loadConfig, type BerthConfig } from '#config';
import { startRedis, type RedisServer } from '#testing';

import { Fleet, startAdmin, type Admin, type AdminOptions } from './limits-admin.fixture.js';

type Tenants = BerthConfig['tenants'];

/** What a test starts from: empty books, an empty folder, an empty log, and no app yet. */
export interface AdminSuite {
  readonly redis: RedisServer;
  readonly client: Redis;
  readonly fleet: Fleet;
  readonly dir: string;
  /** When the test began. */
  readonly nowMs: number;
  /** The lines of every app that was started without a log of its own. */
  readonly log: string[];
  /** Starts an app on the Redis of the suite, or on another one; it is closed when the test ends. */
  readonly start: (options?: AdminOptions & { redisUrl?: string }) => Promise<Admin>;
}

type Prepare = (suite: AdminSuite) => Promise<void> | void;

/** Gives each test of a suite what `AdminSuite` says, on one Redis for all of them. What is returned is filled before each test. */
export function forEachTest(prepare: Prepare = () => {}): AdminSuite {
  const world = new World();
  beforeAll(() => world.startRedis());
  beforeEach(async () => {
    await world.open();
    await prepare(world);
  });
  afterEach(() => world.close());
  afterAll(() => world.stopRedis());
  return world;
}

/** Gives all tests of a suite together what `AdminSuite` says. */
export function forWholeSuite(prepare: Prepare): void {
  const world = new World();
  beforeAll(async () => {
    await world.startRedis();
    await world.open();
    await prepare(world);
  });
  afterAll(async () => {
    await world.close();
    await world.stopRedis();
  });
}

/** The tenant `default`, and these, which differ from it in what is given. */
export function tenantsWith(others: Record<string, Partial<Tenants[string]>>): Tenants {
  const { default: own } = loadConfig({ env: {}, cwd: '/' }).tenants;
  if (own === undefined) throw new Error('no default tenant');
  const more = Object.entries(others).map(([name, change]) => [name, { ...own, name, ...change }] as const);
  return { default: own, ...Object.fromEntries(more) };
}

class World implements AdminSuite {
  redis!: RedisServer;
  client!: Redis;
  fleet!: Fleet;
  dir!: string;
  nowMs!: number;
  log: string[] = [];
  private started: Admin[] = [];

  readonly start: AdminSuite['start'] = async ({ redisUrl = this.redis.url, log = this.log, ...options } = {}) => {
    const admin = await startAdmin(redisUrl, { log, ...options });
    this.started.push(admin);
    return admin;
  };

  async startRedis(): Promise<void> {
    this.redis = await startRedis();
    this.client = this.redis.client();
  }

  async open(): Promise<void> {
    await this.client.flushall();
    this.fleet = new Fleet(this.client);
    this.dir = await mkdtemp(join(tmpdir(), 'berth-admin-'));
    this.log = [];
    this.nowMs = Date.now();
  }

  async close(): Promise<void> {
    await Promise.all(this.started.splice(0).map((admin) => admin.close()));
    if (this.dir !== undefined) await rm(this.dir, { recursive: true, force: true });
  }

  async stopRedis(): Promise<void> {
    await this.redis?.stop();
  }
}

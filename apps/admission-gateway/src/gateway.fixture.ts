import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Redis } from 'ioredis';

import { loadConfig, type BerthConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { startRedis, type RedisServer } from '#testing';

import { AnswerWatch } from '../../../libs/service-kit/test/answer-watch.js';
import { AppModule } from './app.module.js';
import { sipOfProblem } from './sessions/decision.mapper.js';

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: Record<string, unknown>;
}

export interface Gateway {
  readonly app: NestFastifyApplication;
  /** What was logged so far, oldest first. */
  readonly log: Record<string, unknown>[];
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  delete(path: string, body?: unknown): Promise<Answer>;
  /** Asks for a session; an id of its own by default. */
  admit(body?: Record<string, unknown>): Promise<Answer>;
  /** The value of a metric with these labels; 0 where it was never counted. */
  metric(sample: string): Promise<number>;
}

export interface GatewayOptions {
  configYaml?: string;
  env?: Record<string, string>;
}

/** What the gateway answers in every test is held against what its operations declare. */
export const answers = new AnswerWatch(AppModule);
afterAll(() => answers.assertDeclared());

const running: NestFastifyApplication[] = [];
let made = 0;

/** A gateway of its own in this process, not listening unless `app.listen` is called. */
export async function startGateway(redis: RedisServer, options: GatewayOptions = {}): Promise<Gateway> {
  const config = await readConfig(redis, options);
  const log: Record<string, unknown>[] = [];
  const write = (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger(config, 'admission-gateway', { write });
  const app = await createApp(answers.app, {
    config,
    logger,
    membersOf: (code) => sipOfProblem(code, config.sip),
  });

  running.push(app);

  async function call(method: 'GET' | 'POST' | 'DELETE', url: string, body?: unknown, headers = {}): Promise<Answer> {
    const payload = body === undefined ? {} : { payload: body as object };
    const reply = await app.inject({ method, url, headers, ...payload });
    return { status: reply.statusCode, headers: reply.headers, body: parsed(reply.payload) };
  }

  return {
    app,
    log,
    post: (path, body, headers) => call('POST', path, body, headers),
    get: (path, headers) => call('GET', path, undefined, headers),
    delete: (path, body) => call('DELETE', path, body),
    admit: (body) => call('POST', '/v1/sessions', { sessionId: `s-${++made}`, user: 'alice', ...body }),
    async metric(sample) {
      const { payload } = await app.inject('/metrics');
      const line = payload.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
      return Number(line?.slice(sample.length + 1) ?? 0);
    },
  };
}

/** Ends every gateway that a test file started; whether its tests passed does not matter. */
export async function stopGateways(): Promise<void> {
  await Promise.all(running.splice(0).map((app) => app.close()));
}

export interface GatewaySuite {
  readonly redis: RedisServer;
  /** A connection of the suite to it. */
  readonly books: Redis;
  readonly gateway: Gateway;
}

type Begin = (suite: GatewaySuite) => Promise<void> | void;

/** For a suite: a Redis, and a gateway on it for all its tests. */
export function onOneGateway(options: GatewayOptions, begin: Begin): void {
  let redis: RedisServer | undefined;
  beforeAll(async () => {
    redis = await startRedis();
    await begin({ redis, books: redis.client(), gateway: await startGateway(redis, options) });
  });
  afterAll(async () => {
    await stopGateways();
    await redis?.stop();
  });
}

/** For a suite: a Redis, and on it, emptied, a new gateway for each test. */
export function onNewGateways(options: GatewayOptions, begin: Begin): void {
  let redis: RedisServer | undefined;
  let books: Redis;
  beforeAll(async () => {
    redis = await startRedis();
    books = redis.client();
  });
  beforeEach(async () => {
    await books.flushall();
    await begin({ redis: redis!, books, gateway: await startGateway(redis!, options) });
  });
  afterEach(stopGateways);
  afterAll(() => redis?.stop());
}

/** For a suite whose tests stop Redis for a while: for each a Redis, and a gateway on it. Redis goes on before they are ended. */
export function onStoppedRedis(options: GatewayOptions, begin: Begin): void {
  let redis: RedisServer | undefined;
  beforeEach(async () => {
    redis = await startRedis();
    await begin({ redis, books: redis.client(), gateway: await startGateway(redis, options) });
  });
  afterEach(async () => {
    redis?.resume();
    await stopGateways();
    await redis?.stop();
  });
}

/** Where a test is not about the deadline, a busy machine must not make an outage of a late answer. */
function patient(config: BerthConfig): BerthConfig {
  const deadlineMs = 10_000;
  return {
    ...config,
    store: { ...config.store, decisionDeadlineMs: deadlineMs },
    redis: { ...config.redis, deadlineMs },
  };
}

async function readConfig(redis: RedisServer, { configYaml = '', env = {} }: GatewayOptions): Promise<BerthConfig> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-gateway-'));
  try {
    const file = join(folder, 'berth.yaml');
    await writeFile(file, configYaml);
    const config = loadConfig({ env: { BERTH_REDIS_URL: redis.url, BERTH_CONFIG: file, ...env }, cwd: folder });
    return configYaml.includes('decision_deadline_ms') ? config : patient(config);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function parsed(payload: string): Record<string, unknown> {
  return payload === '' ? {} : (JSON.parse(payload) as Record<string, unknown>);
}

import { request, type Server } from 'node:http';

import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { Redis } from 'ioredis';

import { freePort, eventually, type RedisServer } from '#testing';

import { loadConfig } from '#config';
import { forEachTest } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT, Fleet } from '../limits-admin.fixture.js';
import { Replay } from './simulate.js';

const MAX_PER_CALLER = 4;
const BODY = JSON.stringify({ max_sessions_per_user: 1 });
const PATH = '/api/sessions/limits:simulate';
const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(BODY)) };

let client: Redis;
let admin: Admin;
let fleet: Fleet;
let port: number;
let log: string[];
let redis: RedisServer;

afterEach(() => redis.resume());

forEachTest(async (suite) => {
  ({ client, fleet, log, redis } = suite);
  const store = { ...loadConfig({ env: {}, cwd: '/' }).store, decisionDeadlineMs: 60_000 };
  admin = await suite.start({ config: { store } });
  port = await freePort();
  await admin.app.listen(port, '127.0.0.1');
  await fleet.store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 0 }, 'gateway');
});

interface Asked {
  /** Null as long as there is no answer. */
  status: number | null;
  retryAfter: string | undefined;
  body: string;
  leave: () => void;
}

function ask(): Asked {
  const asked: Asked = { status: null, retryAfter: undefined, body: '', leave: () => call.destroy() };
  const call = request({ port, path: PATH, method: 'POST', headers, agent: false }, (reply) => {
    reply.setEncoding('utf8');
    reply.on('data', (text: string) => (asked.body += text));
    reply.on('end', () => {
      asked.status = reply.statusCode ?? 0;
      asked.retryAfter = reply.headers['retry-after'];
    });
  });
  call.on('error', () => {});
  call.end(BODY);
  return asked;
}

const refusals = (all: Asked[]) => all.filter(({ status }) => status === 429);

describe('limits:simulate under many callers', () => {
  it('answers 429 with Retry-After above its bound, and those below it are answered', async () => {
    await fleet.admitAll('alice', 3);
    redis.pause();
    const all = Array.from({ length: 60 }, ask);
    await eventually(() => refusals(all).length === 60 - MAX_PER_CALLER);
    for (const { retryAfter, body } of refusals(all)) {
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
      expect(JSON.parse(body)).toMatchObject({ code: 'too-many-requests', status: 429 });
      // There are no keys here.
      expect(body).toContain('4 simulations of this tenant are under way');
    }
    redis.resume();
    await eventually(() => all.every(({ status }) => status !== null));
    const answered = all.filter(({ status }) => status === 200);
    expect(answered).toHaveLength(MAX_PER_CALLER);
    for (const { body } of answered) expect(JSON.parse(body)).toMatchObject({ refused: { count: 2 } });
    expect((await admin.call('POST', '/limits:simulate', JSON.parse(BODY))).status).toBe(200);
  });

  it('stops with its caller', async () => {
    for (let i = 0; i < 2_000; i += 1) await fleet.admit('alice', `s${i}`);
    redis.pause();
    const all = Array.from({ length: MAX_PER_CALLER + 1 }, ask);
    await eventually(() => refusals(all).length === 1);
    for (const one of all) one.leave();
    await eventually(async () => (await connections()) === 0);
    redis.resume();
    const scansBefore = await scans();
    expect((await admin.call('POST', '/limits:simulate', JSON.parse(BODY))).status).toBe(200);
    // One look at all sessions, for the one who is still there; of the one that was under way at most the piece that it had asked for.
    expect((await scans()) - scansBefore).toBeLessThanOrEqual(2_000 / 500 + 4);
    expect(log.filter((line) => /"level":"(warn|error)"/.test(line))).toEqual([]);
  });

  it('lets others work after every hundred sessions', async () => {
    const groups = Array.from({ length: 8 }, (_, i) => `trunk:t${i}`);
    for (let i = 0; i < 600; i += 1) await fleet.admitIn(groups, `u${i % 40}`, `s${i}`);
    const replay = jest.spyOn(Replay.prototype, 'take');
    const inTurn: number[] = [];
    let isOver = false;
    const look = () => {
      inTurn.push(replay.mock.calls.length);
      if (!isOver) setImmediate(look);
    };
    setImmediate(look);
    expect((await admin.call('POST', '/limits:simulate', { max_sessions_per_user: 1 })).body).toMatchObject({
      sessions: 600,
    });
    isOver = true;
    expect(inTurn.at(-1)).toBe(600);
    expect(Math.max(...inTurn.map((taken, i) => taken - (inTurn[i - 1] ?? 0)))).toBeLessThanOrEqual(100);
    replay.mockRestore();
  });
});

const connections = async () =>
  await new Promise<number>((resolve, reject) => {
    const server: Server = admin.app.getHttpServer();
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });

const scans = async () => {
  const text = await client.info('commandstats');
  return Number(/cmdstat_zscan:calls=(\d+)/.exec(text)?.[1] ?? 0);
};

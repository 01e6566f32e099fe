import { Agent, request } from 'node:http';
import { setTimeout as elapsed } from 'node:timers/promises';

import { afterEach, beforeEach, expect, it } from '@jest/globals';

import { describeWith, eventually, startBerth, startRedis, startRedisCluster, type BerthApp } from '#testing';

import { forEachInFlight } from '../load/in-flight.js';

const CALLERS = 20;
/** Above the deadline of a decision, and above the silence after which a connection is given up. */
const STALLS_MS = [400, 400, 400, 2_500];
/** So many answers after a stall show that the calls which it met have theirs. */
const BETWEEN_STALLS = 10 * CALLERS;
const SHORT_DEADLINE = 'store: { decision_deadline_ms: 250 }\nlimits: { max_sessions_per_user: 5 }\n';
/** The deadline, what a busy machine adds, and far below a wait for a connection that has to break first. */
const AT_ONCE_MS = 1_500;

/** So many starts in a row are 30,000 calls; one shows the same in the time that a suite may take. */
const STARTS = process.env['BERTH_TEST_LONG'] === undefined ? 1 : 10;
const FIRST_CALLS = 3_000;
const AT_ONCE = 128;

const closing: (() => Promise<unknown> | void)[] = [];
let agent: Agent;

beforeEach(() => {
  agent = new Agent({ keepAlive: true });
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  agent.destroy();
});

/** The status of one call, over connections that are kept: so many at once are no test of the network. */
async function post(url: string, body: object): Promise<number> {
  const payload = JSON.stringify(body);
  return await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const sent = request(url, { method: 'POST', agent, headers }, (reply) => {
      reply.resume();
      reply.once('end', () => resolve(reply.statusCode ?? 0));
      reply.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(payload);
  });
}

async function gatewayAt(redisUrl: string, configYaml = SHORT_DEADLINE): Promise<BerthApp> {
  const berth = await startBerth({ redisUrl, apps: ['admission-gateway'], configYaml });
  closing.push(() => berth.stop());
  return berth.app('admission-gateway');
}

async function redisUrlOf(kind: 'standalone' | 'cluster'): Promise<string> {
  const redis = kind === 'cluster' ? await startRedisCluster() : await startRedis();
  closing.push(() => redis.stop());
  return redis.url;
}

/** Callers who admit and end, one after the other, until `stop`. */
function callers(url: string) {
  const statuses = new Map<number, number>();
  const stopping = new AbortController();
  let answered = 0;
  const count = (status: number) => {
    answered += 1;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const caller = async (number: number) => {
    for (let call = 0; !stopping.signal.aborted; call += 1) {
      const id = `caller-${number}-${call}`;
      count(await post(`${url}/v1/sessions`, { sessionId: id, user: `user-${number}` }));
      count(await post(`${url}/v1/sessions/${id}/end`, {}));
    }
  };
  const all = Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)));
  return {
    statuses,
    more: async (answers: number) => {
      const wanted = answered + answers;
      await eventually(() => answered >= wanted, { timeoutMs: 60_000, what: 'answers' });
    },
    stop: async () => {
      stopping.abort();
      await all;
    },
  };
}

describeWith(['redis-server'], '503 with a healthy Redis', () => {
  it.each(['standalone', 'cluster'] as const)(
    'is not the answer after a stall of the gateway (%s)',
    async (kind) => {
      const gateway = await gatewayAt(await redisUrlOf(kind));
      const load = callers(gateway.url);
      for (const stallMs of STALLS_MS) {
        await load.more(BETWEEN_STALLS);
        gateway.process.signal('SIGSTOP');
        await elapsed(stallMs);
        gateway.process.signal('SIGCONT');
      }
      await load.more(BETWEEN_STALLS);
      await load.stop();
      expect(new Set(load.statuses.keys())).toEqual(new Set([201, 204]));
    },
    120_000,
  );
});

describeWith(['redis-server'], '503 with a healthy Redis, of a cold gateway', () => {
  it.each(['standalone', 'cluster'] as const)(
    `is not the answer to the first ${FIRST_CALLS} calls, ${AT_ONCE} at once, right after it is ready (%s)`,
    async (kind) => {
      const redisUrl = await redisUrlOf(kind);
      const yaml = `${SHORT_DEADLINE}tenants: { default: { shards: ${kind === 'cluster' ? 3 : 1} } }\n`;
      for (let start = 0; start < STARTS; start += 1) {
        const gateway = await gatewayAt(redisUrl, yaml);
        const statuses = new Map<number, number>();
        await forEachInFlight(FIRST_CALLS, AT_ONCE, async (call) => {
          const body = { sessionId: `start-${start}-${call}`, user: `user-${start}-${call % 400}` };
          const status = await post(`${gateway.url}/v1/sessions`, body);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        });
        // 400 users with a limit of 5.
        expect(statuses).toEqual(
          new Map([
            [201, 2_000],
            [429, 1_000],
          ]),
        );
        await gateway.process.stop();
      }
    },
    60_000 * STARTS,
  );
});

describeWith(['redis-server'], '503 with a stopped Redis', () => {
  it('comes within the deadline', async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const { url } = await gatewayAt(redis.url);
    expect(await post(`${url}/v1/sessions`, { sessionId: 'before', user: 'ann' })).toBe(201);
    redis.pause();
    const answers = await Promise.all(
      Array.from({ length: CALLERS }, async (_, number) => {
        const startedAt = performance.now();
        const status = await post(`${url}/v1/sessions`, { sessionId: `paused-${number}`, user: 'bob' });
        return { status, tookMs: performance.now() - startedAt };
      }),
    );
    redis.resume();
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503));
    expect(Math.max(...answers.map(({ tookMs }) => tookMs))).toBeLessThan(AT_ONCE_MS);
  });
});

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { startBerth, startProcess } from '#testing';

import type { Bench, BenchContext } from './bench-context.js';
import { admissionBody, httpCall } from './http-admissions.js';
import type { LoadOrder, LoadResult } from './http-load.process.js';
import { forEachInFlight } from './in-flight.js';
import { processorMicroseconds, requireLinux } from './process-cpu.js';
import { alternate, compare } from './rounds.js';
import { mustEnd, openStore } from './sessions.js';

const ROUNDS = 7;
const REQUESTS = 3_000;
const CONNECTIONS = 32;
/** So many that the hot paths are compiled before anything is counted. */
const WARM_UP = 6_000;

/** Processor time of the gateway per admission over HTTP keep-alive, next to that of a bare Fastify with the same exchange. */
export const gatewayCpu: Bench = {
  name: 'gateway.cpu',
  timeoutMs: 120_000,
  async run(context) {
    requireLinux();
    const redis = await context.redis();
    const store = await openStore(redis);
    const berth = await startBerth({ redisUrl: redis.url, apps: ['admission-gateway'] });
    context.atEnd(() => berth.stop());
    const gateway = berth.app('admission-gateway');
    const echo = await startEcho(context, await anAnswer(gateway.url));
    const load = startLoad(context);

    let next = 1;
    const admit = async (count: number) => {
      const from = next;
      next += count;
      await load({ url: gateway.url, from, count, connections: CONNECTIONS });
      return from;
    };
    context.progress('warming up');
    await endAll(await admit(WARM_UP), WARM_UP);
    await load({ url: echo.url, from: 0, count: WARM_UP, connections: CONNECTIONS });

    context.progress(`${ROUNDS} rounds of ${REQUESTS} requests over ${CONNECTIONS} connections`);
    const costs = await alternate(ROUNDS, {
      async gateway() {
        const before = await processorMicroseconds(gateway.process.pid);
        const from = await admit(REQUESTS);
        const used = (await processorMicroseconds(gateway.process.pid)) - before;
        await endAll(from, REQUESTS);
        return used / REQUESTS;
      },
      async echo() {
        const before = await processorMicroseconds(echo.pid);
        await load({ url: echo.url, from: 0, count: REQUESTS, connections: CONNECTIONS });
        return ((await processorMicroseconds(echo.pid)) - before) / REQUESTS;
      },
    });
    return [
      {
        name: 'gateway.cpu',
        unit: 'µs of CPU per admission',
        ...compare(costs.gateway, costs.echo),
        target: { of: 'ratio', is: 'at most', bound: 3 },
      },
    ];

    /** Behind the gateway's back, so that its books do not grow from round to round. */
    async function endAll(from: number, count: number): Promise<void> {
      await forEachInFlight(count, 64, (index) => mustEnd(store, httpCall(from + index)));
    }
  },
};

async function anAnswer(url: string): Promise<string> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(admissionBody(0)),
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`The gateway answered ${response.status}: ${answer}`);
  return answer;
}

async function startEcho(context: BenchContext, answer: string): Promise<{ url: string; pid: number }> {
  const program = fileURLToPath(new URL('echo-server.process.js', import.meta.url));
  const echo = await startProcess(process.execPath, [program, answer], { ready: { line: /^http/ } });
  context.atEnd(async () => {
    await echo.stop();
  });
  return { url: echo.output().trim(), pid: echo.pid };
}

/** Starts the load generator; the function it returns fails unless every request was answered with 201. */
function startLoad(context: BenchContext): (order: LoadOrder) => Promise<void> {
  const child = fork(fileURLToPath(new URL('http-load.process.js', import.meta.url)));
  context.atEnd(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return async (order) => {
    child.send(order);
    const [result] = (await once(child, 'message')) as [LoadResult];
    if (result['201'] === order.count) return;
    throw new Error(`${order.url} should have answered ${order.count} times 201: ${JSON.stringify(result)}`);
  };
}

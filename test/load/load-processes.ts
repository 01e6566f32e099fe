import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { SessionStore } from '#session-core';
import { startBerth, startProcess, type BerthApp } from '#testing';

import type { BenchContext } from './bench-context.js';
import { admissionBody } from './http-admissions.js';
import { openStore } from './sessions.js';

/** Sends the admissions number `from` to `from + count - 1` to a server, so many at a time. */
export interface LoadOrder {
  /** `http://host:port`, or for gRPC `host:port`. */
  url: string;
  from: number;
  count: number;
  inFlight: number;
}

export interface LoadResult {
  /** How many answers had which status; requests without an answer are under `none`. */
  answers: Record<string, number>;
  /** From the first request to the last answer. */
  seconds: number;
}

/** What an answer means that admits. */
const ADMITTED = { 'http-load': '201', 'grpc-load': 'OK' } as const;

/** A gateway on a Redis of the bench alone, and a store on that Redis. */
export async function startGateway(context: BenchContext): Promise<{ store: SessionStore; gateway: BerthApp }> {
  const redis = await context.redis();
  const store = await openStore(redis);
  const berth = await startBerth({ redisUrl: redis.url, apps: ['admission-gateway'] });
  context.atEnd(() => berth.stop());
  return { store, gateway: berth.app('admission-gateway') };
}

/** What the gateway answers to an admission over HTTP. */
export async function anAdmission(url: string): Promise<string> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(admissionBody(0)),
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`The gateway answered ${response.status}: ${answer}`);
  return answer;
}

/** A server that answers every admission with the same, and does nothing else. */
export async function startEcho(
  context: BenchContext,
  program: 'http-echo' | 'grpc-echo',
  answer: string,
): Promise<{ url: string; pid: number }> {
  const path = fileURLToPath(new URL(`${program}.process.js`, import.meta.url));
  const echo = await startProcess(process.execPath, [path, answer], { ready: { line: /:\d+$/ } });
  context.atEnd(async () => {
    await echo.stop();
  });
  return { url: echo.output().trim(), pid: echo.pid };
}

/** Starts a load generator; the function it returns fails unless every request admits, and returns how long they took, in seconds. */
export function startLoad(
  context: BenchContext,
  program: keyof typeof ADMITTED,
): (order: LoadOrder) => Promise<number> {
  const child = fork(fileURLToPath(new URL(`${program}.process.js`, import.meta.url)));
  context.atEnd(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return async (order) => {
    child.send(order);
    const [result] = (await once(child, 'message')) as [LoadResult];
    if (result.answers[ADMITTED[program]] === order.count) return result.seconds;
    throw new Error(`${order.url} should have admitted ${order.count} times: ${JSON.stringify(result.answers)}`);
  };
}

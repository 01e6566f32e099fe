import { connect, type Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { stopGracefully } from '#service-kit';
import { eventually, startRedis, type RedisServer } from '#testing';

import { startGateway, stopGateways, type Gateway } from '../gateway.fixture.js';

/** Long enough that Redis answers in time once it goes on: what takes the place back is the hang-up alone. */
const PATIENT = 'store: { decision_deadline_ms: 20000 }';
const ADMITTED = 'berth_admissions_total{decision="admitted",reason="new"}';
const REPEATED = 'berth_admissions_total{decision="admitted",reason="repeated"}';

let redis: RedisServer;
let books: ReturnType<RedisServer['client']>;
let gateway: Gateway;
/** The same connections, as the gateway has them. */
let served: Socket[];
let sockets: Socket[];
let received: number;

beforeEach(async () => {
  redis = await startRedis();
  books = redis.client();
  sockets = [];
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  redis.resume();
  await stopGateways();
  await redis.stop();
});

async function listen(configYaml: string): Promise<void> {
  gateway = await startGateway(redis, { configYaml });
  await gateway.app.listen(0, '127.0.0.1');
  received = 0;
  gateway.app.getHttpServer().on('request', () => (received += 1));
  served = [];
  gateway.app.getHttpServer().on('connection', (socket: Socket) => void served.push(socket));
}

/** Redis has hung since the gateway was ready. */
async function listenWithoutRedis(): Promise<void> {
  await listen(PATIENT);
  redis.pause();
}

/** The gateway knows that every caller has hung up: an answer that was out before would be one that its caller may have read. */
const hungUp = () =>
  eventually(() => served.every((socket) => socket.readableEnded || socket.destroyed), { what: 'the hang-ups' });

async function dial(): Promise<Socket> {
  const socket = connect(Number(new URL(await gateway.app.getUrl()).port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

/** While Redis hangs a caller asks for this session, as the so-manieth of all, and hangs up before the answer. */
async function giveUp(sessionId: string, nth = 1): Promise<void> {
  const socket = await dial();
  socket.write(admission(sessionId));
  await arrived(nth);
  socket.destroy();
}

function admission(sessionId: string): string {
  const body = JSON.stringify({ sessionId, user: 'alice' });
  const headers = `Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  return `POST /v1/sessions HTTP/1.1\r\n${headers}\r\n\r\n${body}`;
}

const arrived = (count: number) =>
  eventually(() => Promise.resolve(received >= count), { what: `${count} requests to arrive` });
const noneLive = () =>
  eventually(async () => (await books.zcard('berth:{default/0}:deadlines')) === 0, { what: 'every place to be free' });
const counted = (metric: string, count: number) =>
  eventually(async () => (await gateway.metric(metric)) === count, { what: `${metric} to be ${count}` });
const nothingPending = () => counted('berth_withdrawals_pending', 0);

describe('a caller that gives up before the answer', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => socket.destroy()],
    ['resets', (socket) => socket.resetAndDestroy()],
    ['says that it is done', (socket) => socket.end()],
  ])('leaves no place taken when it %s its connection', async (_name, hangUp) => {
    await listenWithoutRedis();
    for (const id of ['a', 'b', 'c']) {
      const socket = await dial();
      socket.write(admission(id));
    }
    await arrived(3);
    for (const socket of sockets) hangUp(socket);
    await hungUp();
    redis.resume();

    await counted(ADMITTED, 3);
    await noneLive();
    await nothingPending();
  });

  it('leaves no place taken by requests that waited behind another on its connection', async () => {
    await listenWithoutRedis();
    const socket = await dial();
    socket.write(['a', 'b', 'c', 'd'].map(admission).join(''));
    await arrived(4);
    socket.destroy();
    redis.resume();

    await counted(ADMITTED, 4);
    await noneLive();
  });

  it('does not take the place from its own retry', async () => {
    await listenWithoutRedis();
    await giveUp('call');
    const retry = gateway.admit({ sessionId: 'call' });
    redis.resume();

    // Which of the two was asked first is nobody's to say; the one that is answered holds the place.
    expect([200, 201]).toContain((await retry).status);
    await nothingPending();
    expect((await gateway.get('/v1/sessions/call')).body).toMatchObject({ id: 'call', state: 'active' });
    expect(await books.zcard('berth:{default/0}:deadlines')).toBe(1);
  });

  it('leaves no place taken when it was the retry of one that gave up as well', async () => {
    await listenWithoutRedis();
    for (const nth of [1, 2, 3]) await giveUp('call', nth);
    redis.resume();

    await counted(ADMITTED, 1);
    await counted(REPEATED, 2);
    await noneLive();
  });

  it('may be admitted later, as if it had never asked', async () => {
    await listenWithoutRedis();
    await giveUp('call');
    redis.resume();
    await counted(ADMITTED, 1);
    await noneLive();
    await nothingPending();

    expect((await gateway.admit({ sessionId: 'call' })).status).toBe(201);
  });
});

describe('an answer that came too late from Redis', () => {
  it('leaves no place taken, however many', async () => {
    await listen('{ store: { decision_deadline_ms: 100 }, limits: { max_sessions_per_user: 0 } }');
    redis.pause();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => gateway.admit({ sessionId: `late-${i}` })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 503));
    redis.resume();

    await nothingPending();
    await noneLive();
    expect((await gateway.admit({ sessionId: 'late-1' })).status).toBe(201);
  });
});

describe('a delivered answer', () => {
  it('keeps its place when the connection closes afterwards', async () => {
    await listen(PATIENT);
    const socket = await dial();
    const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.write(admission('call'));
    expect(await answer).toMatch(/^HTTP\/1\.1 201 /);
    socket.destroy();
    await eventually(async () => (await openConnections()) === 0, { what: 'the gateway to see the connection closed' });

    await nothingPending();
    expect(await books.zcard('berth:{default/0}:deadlines')).toBe(1);
  });

  it('keeps its place through a graceful stop', async () => {
    await listen(PATIENT);
    expect((await gateway.admit()).status).toBe(201);
    await stopGateways();
    expect(await books.zcard('berth:{default/0}:deadlines')).toBe(1);
  });
});

describe('a graceful stop', () => {
  it('takes back what was given up just before', async () => {
    await listenWithoutRedis();
    await giveUp('call');
    const stopped = stopGracefully(gateway.app);
    redis.resume();
    await stopped;

    expect(await books.zcard('berth:{default/0}:deadlines')).toBe(0);
  });
});

function openConnections(): Promise<number> {
  return new Promise((resolve, reject) => {
    gateway.app.getHttpServer().getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

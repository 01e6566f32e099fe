import { once } from 'node:events';
import { connect } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { eventually, startRedis, type RedisServer } from '#testing';
import { newKey, ReadinessChecks, stopGracefully } from '#service-kit';

import { command, endByBerth, EventClient, listen, NODE } from './commands.fixture.js';
import { startGateway, stopGateways, type Gateway } from '../gateway.fixture.js';

let redis: RedisServer;
let books: ReturnType<RedisServer['client']>;
let gateway: Gateway;
let port: number;
const clients: EventClient[] = [];

beforeEach(async () => {
  redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  books = redis.client();
  gateway = await startGateway(redis);
  port = await listen(gateway);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  redis.resume();
  await stopGateways();
  await redis.stop();
});

async function open(options?: Parameters<typeof EventClient.open>[1], at: number = port): Promise<EventClient> {
  const client = await EventClient.open(at, options);
  clients.push(client);
  return client;
}

const ack = async (commandId: string, node = NODE) =>
  await gateway.post(`/v1/nodes/${node}/commands/${commandId}/ack`, { result: 'done' });

/** No stream looks for commands any more. */
async function nothingIsAsked(): Promise<void> {
  const asked = async () => Number(/cmdstat_zrange:calls=(\d+)/.exec(await books.info('commandstats'))?.[1] ?? 0);
  await eventually(async () => {
    const before = await asked();
    await new Promise((resolve) => setTimeout(resolve, 350));
    return (await asked()) === before;
  });
}

/** A stream on which these two commands have come; the first is acknowledged, the second is not. */
async function openWith(acknowledged: string, other: string) {
  const client = await open();
  await command(gateway, books, acknowledged);
  await command(gateway, books, other);
  await client.has(acknowledged, other);
  await ack(client.commandFor(acknowledged).commandId);
  return client;
}

describe('a stream of commands', () => {
  it('begins with all that is unacknowledged, and goes on with what comes', async () => {
    await command(gateway, books, 'before-1');
    await command(gateway, books, 'before-2');
    const client = await open();
    expect(client.status).toBe(200);
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    await client.has('before-1', 'before-2');
    await command(gateway, books, 'after');
    await client.has('after');
    expect(client.sessionIds).toEqual(['before-1', 'before-2', 'after']);
    expect(client.events[0]).toMatchObject({
      type: 'terminate',
      id: client.events[0]?.data.commandId,
      data: { sessionId: 'before-1', attempt: 1, reason: 'killed' },
    });
    expect((await ack(client.commandFor('after').commandId)).status).toBe(204);
  });

  it('gives a node that was away everything that it has not acknowledged, and nothing else', async () => {
    const client = await openWith('acknowledged', 'seen');
    client.close();
    await command(gateway, books, 'missed');
    const again = await open();
    await again.has('seen', 'missed');
    expect(again.sessionIds).toEqual(['seen', 'missed']);
  });

  it('sends again after 10 s what is not acknowledged, and says something every 15 s', async () => {
    const client = await openWith('heard', 'deaf');
    await eventually(() => client.events.length === 3, { what: 'a repetition' });
    expect(client.sessionIds).toEqual(['heard', 'deaf', 'deaf']);
    expect((client.events[2]?.atMs ?? 0) - (client.events[1]?.atMs ?? 0)).toBeGreaterThan(9_000);
    await eventually(() => client.comments > 0, { what: 'a comment' });
  }, 45_000);

  it('is given to each of several streams of a node, and to no other node', async () => {
    const [one, two, other] = [await open(), await open(), await open({ node: 'b2bua-2' })];
    await command(gateway, books, 'call');
    await one.has('call');
    await two.has('call');
    await command(gateway, books, 'foreign', { node: 'b2bua-2' });
    await other.has('foreign');
    expect([one.sessionIds, two.sessionIds, other.sessionIds]).toEqual([['call'], ['call'], ['foreign']]);
  });

  it('reaches the node through whichever gateway it is connected to', async () => {
    const second = await startGateway(redis);
    const [one, two] = [await open(), await open({}, await listen(second))];
    await command(second, books, 'call');
    await one.has('call');
    await two.has('call');
    await second.post(`/v1/nodes/${NODE}/commands/${one.commandFor('call').commandId}/ack`, { result: 'gone' });
    expect((await gateway.post(`/v1/nodes/${NODE}/commands:poll`)).body['commands']).toEqual([]);
  });

  it('brings what is evicted and what is due as well as what is killed', async () => {
    await gateway.app.close();
    gateway = await startGateway(redis, {
      configYaml: 'limits: { max_sessions_per_user: 1, session_limit_action: terminate_oldest }',
    });
    port = await listen(gateway);
    const client = await open();
    await gateway.admit({ sessionId: 'old', node: NODE });
    await gateway.admit({ sessionId: 'new', node: NODE });
    await client.has('old');
    expect(client.commandFor('old').reason).toBe('evicted');
    await gateway.admit({ sessionId: 'short', user: 'bob', node: NODE, ttlSeconds: 1 });
    await eventually(
      async () =>
        (await gateway.get('/v1/sessions/short')).status === 200 &&
        (await gateway.post('/v1/sessions/short/confirm')).status === 410,
    );
    await client.has('short');
    expect(client.commandFor('short').reason).toBe('max_duration');
  });

  it('stays open while Redis is killed, and goes on when it is back', async () => {
    const client = await open();
    await command(gateway, books, 'before');
    await client.has('before');
    await redis.kill();
    const late = await open();
    await eventually(async () => (await gateway.admit()).status === 503);
    await redis.restart();
    await eventually(async () => (await gateway.admit({ sessionId: 'after', user: 'zoe', node: NODE })).status < 300);
    await eventually(async () => await endByBerth(books, 'after').then(() => true));
    await client.has('after');
    await late.has('before', 'after');
    expect([client.closed, late.closed]).toEqual([false, false]);
  });

  it('stays open while Redis hangs', async () => {
    const client = await open();
    await command(gateway, books, 'before');
    await client.has('before');
    redis.pause();
    await eventually(async () => (await gateway.admit()).status === 503);
    redis.resume();
    await eventually(async () => (await gateway.admit({ sessionId: 'after', user: 'zoe', node: NODE })).status < 300);
    await eventually(async () => await endByBerth(books, 'after').then(() => true));
    await client.has('after');
    expect(client.closed).toBe(false);
  });

  it('brings thousands, each once, and new ones among them', async () => {
    const names = Array.from({ length: 1_200 }, (_, i) => `call-${i}`);
    for (const name of names) await command(gateway, books, name);
    const client = await open();
    await command(gateway, books, 'new');
    await client.has('new', ...names);
    expect(new Set(client.sessionIds).size).toBe(client.sessionIds.length);
  });

  it('takes nothing for itself once the client has gone', async () => {
    const client = await open();
    await command(gateway, books, 'call');
    await client.has('call');
    client.close();
    await nothingIsAsked();
  });

  it('takes nothing for itself either where the client has gone before it was its turn on the connection', async () => {
    await command(gateway, books, 'call');
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /v1/nodes/${NODE}/commands HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(3));
    await once(socket, 'data');
    socket.resetAndDestroy();
    await nothingIsAsked();
    expect(gateway.log.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('is opened by GET alone: HEAD is answered at once', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/nodes/${NODE}/commands`, { method: 'HEAD' });
    expect(answer.status).toBe(405);
  });

  it('is ended, not cut, when the gateway stops; the client comes back to another one', async () => {
    const client = await open();
    await command(gateway, books, 'call');
    await client.has('call');
    await stopGracefully(gateway.app, 20_000);
    await eventually(() => client.closed, { what: 'the stream to end' });
    const second = await startGateway(redis);
    await (await open({}, await listen(second))).has('call');
  });

  it('ends with the event to reconnect elsewhere when the gateway drains; one that comes all the same is served until it stops', async () => {
    const client = await open();
    await command(gateway, books, 'before');
    await client.has('before');
    expect(client.headers.connection).toBe('close');
    gateway.app.get(ReadinessChecks).drain();
    await eventually(() => client.closed, { what: 'the stream to end' });
    expect(client.events.at(-1)).toMatchObject({ type: 'reconnect', data: { reason: 'draining' } });
    const late = await open();
    await command(gateway, books, 'after');
    await late.has('before', 'after');
    expect(late.closed).toBe(false);
    await stopGracefully(gateway.app, 20_000);
    await eventually(() => late.closed, { what: 'the stream to end' });
    expect(late.events.at(-1)).toMatchObject({ type: 'reconnect' });
  });

  it('is refused to a key that may not speak for the node', async () => {
    const key = newKey();
    const locked = await startGateway(redis, {
      configYaml: `auth: { keys: [{ id: node, hash: '${key.hash}', role: node, nodes: ['b2bua-*'] }] }`,
    });
    const at = await listen(locked);
    const headers = { authorization: `Bearer ${key.key}` };
    expect((await open({}, at)).status).toBe(401);
    expect((await open({ headers, node: 'proxy-1' }, at)).status).toBe(403);
    expect((await open({ headers }, at)).status).toBe(200);
  });
});

describe('Command streams a key have a bound', () => {
  it('and so have those of a node: one more is 429 with Retry-After, until another is closed', async () => {
    const held = await Promise.all(Array.from({ length: 16 }, async () => await open()));
    expect(held.map(({ status }) => status)).toEqual(held.map(() => 200));
    const refused = await fetch(`http://127.0.0.1:${port}/v1/nodes/${NODE}/commands`);
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, 15]);
    expect(await refused.json()).toMatchObject({
      code: 'too-many-requests',
      detail: expect.stringContaining(`Node ${NODE} has 16 streams`),
    });
    // Others are not in the way of this one.
    expect((await open({ node: 'b2bua-2' })).status).toBe(200);
    held[0]?.close();
    await eventually(async () => expect((await open()).status).toBe(200));
  });

  it('over all nodes; streams that end give their places back', async () => {
    const held: EventClient[] = [];
    for (let at = 0; at < 1_000; at += 50) {
      const nodes = Array.from({ length: 50 }, (_, i) => `b2bua-${at + i}`);
      held.push(...(await Promise.all(nodes.map(async (node) => await open({ node })))));
    }
    expect(held.every(({ status }) => status === 200)).toBe(true);
    const refused = await fetch(`http://127.0.0.1:${port}/v1/nodes/one-more/commands`);
    expect([refused.status, refused.headers.has('retry-after')]).toEqual([429, true]);
    const detail = expect.stringContaining('The callers of this tenant have 1000 streams');
    expect(await refused.json()).toMatchObject({ detail });
    for (const client of held) client.close();
    await eventually(async () => expect((await open({ node: 'one-more' })).status).toBe(200));
  });
});

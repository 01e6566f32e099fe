import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { ReadinessChecks } from '#service-kit';
import { eventually, startRedis, type RedisServer } from '#testing';

import { command, endByBerth, listen, NODE } from '../commands/commands.fixture.js';
import { startGateway, stopGateways, type Gateway } from '../gateway.fixture.js';
import { connectGrpc, type Answers, type GrpcClient } from './grpc.fixture.js';

let redis: RedisServer;
let books: ReturnType<RedisServer['client']>;
let gateway: Gateway;
let client: GrpcClient;

async function begin(configYaml = ''): Promise<void> {
  gateway = await startGateway(redis, { configYaml });
  await listen(gateway);
  client = await connectGrpc(gateway);
}

beforeEach(async () => {
  redis = await startRedis();
  books = redis.client();
});

afterEach(async () => {
  client.close();
  redis.resume();
  await stopGateways();
  await redis.stop();
});

const commandsOf = ({ all }: Answers) => all.flatMap(({ terminate }) => terminate ?? []) as Record<string, unknown>[];
const hears = (stream: Answers, ...sessions: string[]) =>
  eventually(() => sessions.every((id) => commandsOf(stream).some(({ sessionId }) => sessionId === id)), {
    what: `commands for ${sessions.join(', ')}`,
  });

describe('WatchCommands', () => {
  it('begins with all that is unacknowledged, and goes on with what comes', async () => {
    await begin();
    await command(gateway, books, 'before');
    const stream = client.watch('NodeService/WatchCommands', { node: NODE });
    await hears(stream, 'before');
    await gateway.admit({ sessionId: 'after', user: 'bob', node: NODE });
    await endByBerth(books, 'after');
    await hears(stream, 'after');

    const [first] = commandsOf(stream);
    expect(first).toEqual({ commandId: expect.any(String), sessionId: 'before', attempt: 1, reason: 'killed' });
    const done = { node: NODE, commandId: first?.['commandId'], result: 'COMMAND_RESULT_DONE' };
    expect((await client.call('NodeService/AckCommand', done)).code).toBe('OK');
    const again = client.watch('NodeService/WatchCommands', { node: NODE });
    await hears(again, 'after');
    expect(commandsOf(again)).toHaveLength(1);
    stream.call.cancel();
    again.call.cancel();
    await eventually(() => stream.ended === 'CANCELLED' && again.ended === 'CANCELLED');
  });

  it('says that its client has to come back when the gateway drains, and ends, while single calls are served', async () => {
    await begin();
    await command(gateway, books, 'one');
    const stream = client.watch('NodeService/WatchCommands', { node: NODE });
    await hears(stream, 'one');
    const health = client.watch('grpc.health.v1.Health/Watch');
    await eventually(() => health.all.length === 1);

    gateway.app.get(ReadinessChecks).drain();
    await eventually(() => stream.ended !== null && health.ended !== null, { what: 'the streams to end' });

    expect([stream.ended, stream.all.at(-1)]).toEqual(['OK', { reconnect: { reason: 'draining' } }]);
    expect([health.ended, health.all]).toEqual(['OK', [{ status: 'SERVING' }, { status: 'NOT_SERVING' }]]);
    expect((await client.call('Admit', { sessionId: 'still', user: 'alice' })).code).toBe('OK');
  });

  it('ends when its connection is old, without a call being lost', async () => {
    await begin('grpc: { max_connection_age: 500ms }');
    const stream = client.watch('NodeService/WatchCommands', { node: NODE });
    let calls = 0;
    while (stream.ended === null) {
      expect((await client.call('Admit', { sessionId: 'one', user: 'alice' })).code).toBe('OK');
      calls += 1;
    }
    expect([stream.ended, stream.all.at(-1)]).toEqual(['OK', { reconnect: { reason: 'connection-age' } }]);
    expect(calls).toBeGreaterThan(0);
  });

  it('refuses a node of no name, and the seventeenth stream of one', async () => {
    await begin();
    const nameless = client.watch('NodeService/WatchCommands', {});
    await eventually(() => nameless.ended === 'INVALID_ARGUMENT');
    const streams = Array.from({ length: 16 }, () => client.watch('NodeService/WatchCommands', { node: NODE }));
    const one = client.watch('NodeService/WatchCommands', { node: NODE });
    await eventually(() => one.ended === 'RESOURCE_EXHAUSTED', { what: 'the refusal' });
    for (const { call } of streams) call.cancel();
  });
});

describe('health', () => {
  it('follows the store', async () => {
    await begin('store: { decision_deadline_ms: 250 }');
    const stream = client.watch('grpc.health.v1.Health/Watch', { service: 'berth.v1.AdmissionService' });
    const unknown = client.watch('grpc.health.v1.Health/Watch', { service: 'nobody.v1' });
    await eventually(() => stream.all.length === 1 && unknown.all.length === 1);
    redis.pause();
    await eventually(() => stream.all.length === 2, { what: 'the store to be seen away' });
    expect((await client.call('grpc.health.v1.Health/Check')).message).toEqual({ status: 'NOT_SERVING' });
    redis.resume();
    await eventually(() => stream.all.length === 3, { what: 'the store to be seen again' });

    expect(stream.all.map(({ status }) => status)).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    expect(unknown.all).toEqual([{ status: 'SERVICE_UNKNOWN' }]);
  });
});

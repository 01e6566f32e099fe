import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { eventually, startRedisCluster, type RedisCluster, type RedisServer } from '#testing';

import { endByBerth, EventClient, listen, NODE, type WireCommand } from './commands.fixture.js';
import { startGateway, stopGateways, type Gateway } from '../gateway.fixture.js';

const TENANT = { name: 'spread', shards: 6 };
const HEADERS = { 'berth-tenant': TENANT.name };
const USERS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];

let cluster: RedisCluster;
let gateway: Gateway;

beforeAll(async () => {
  cluster = await startRedisCluster({ masters: 3 });
  gateway = await startGateway({ url: cluster.url } as RedisServer, {
    configYaml: `tenants: { ${TENANT.name}: { shards: ${TENANT.shards} } }\nstore: { decision_deadline_ms: 5000 }`,
  });
});

afterAll(async () => {
  await stopGateways();
  await cluster?.stop();
});

it('commands reach their node from every shard of a Redis Cluster, and are acknowledged there', async () => {
  const admit = async (user: string) =>
    await gateway.post('/v1/sessions', { sessionId: `of-${user}`, user, node: NODE }, HEADERS);
  await eventually(async () => (await admit('alice')).status < 300);
  const client = cluster.client();
  const stream = await EventClient.open(await listen(gateway), { headers: HEADERS });
  for (const user of USERS) {
    expect((await admit(user)).status).toBeLessThan(300);
    await endByBerth(client, `of-${user}`, 'killed', TENANT);
  }
  await stream.has(...USERS.map((user) => `of-${user}`));
  const polled = await gateway.post(`/v1/nodes/${NODE}/commands:poll`, {}, HEADERS);
  const commands = polled.body['commands'] as WireCommand[];
  expect(commands.map(({ sessionId }) => sessionId).toSorted()).toEqual(USERS.map((user) => `of-${user}`));
  for (const { commandId } of commands) {
    const answer = await gateway.post(`/v1/nodes/${NODE}/commands/${commandId}/ack`, { result: 'done' }, HEADERS);
    expect(answer.status).toBe(204);
  }
  expect((await gateway.post(`/v1/nodes/${NODE}/commands:poll`, {}, HEADERS)).body['commands']).toEqual([]);
  stream.close();
});

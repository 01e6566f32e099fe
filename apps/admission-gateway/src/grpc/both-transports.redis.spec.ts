import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { NodesStore } from '#session-core';
import { type RedisServer } from '#testing';

import { onOneGateway, startGateway, type Gateway } from '../gateway.fixture.js';
import { comparable, overGrpc, overHttp, type Outcome, type Transport } from './both-transports.fixture.js';
import { connectGrpc, type GrpcClient } from './grpc.fixture.js';

const LIMITS = {
  max_sessions_per_user: 2,
  max_total_sessions: 6,
  user_session_limits: { vip: 0, one: 1 },
  groups: { trunk: { default: 1 } },
  max_sessions_per_ip_per_hour: 2,
};
const SAME = { limits: LIMITS, sessions: { ssh: { idle_timeout: 600 } } };
const SETTINGS = {
  tenants: {
    'over-http': SAME,
    'over-grpc': SAME,
    'oldest-http': { limits: { max_sessions_per_user: 1, session_limit_action: 'terminate_oldest' } },
    'oldest-grpc': { limits: { max_sessions_per_user: 1, session_limit_action: 'terminate_oldest' } },
  },
};
const EPOCH = 1_763_700_000_000;

let redis: RedisServer;
let gateway: Gateway;
let books: Redis;
let client: GrpcClient;

onOneGateway({ configYaml: JSON.stringify(SETTINGS) }, async (suite) => {
  ({ gateway, books, redis } = suite);
  client = await connectGrpc(gateway);
});

afterAll(() => client?.close());

beforeEach(async () => {
  await books.flushall(); // the limits too: the gateway publishes them again
});

/** The id of the one command that the node was given. */
async function commandOf(node: string, tenant: string): Promise<string> {
  const { body } = await gateway.post(`/v1/nodes/${node}/commands:poll`, {}, { 'berth-tenant': tenant });
  return (body['commands'] as { commandId: string }[])[0]!.commandId;
}

const drain = async (node: string, tenant: string) =>
  await gateway.app.get(NodesStore).drains.set({ name: tenant, shards: 1 }, node, true);

type Case = (over: Transport) => Promise<Outcome[]>;

/** Each row of what the data plane answers, and the codes of its calls one after the other. */
const CASES: Record<string, [codes: string[], run: Case, tenants?: string]> = {
  'admits, with all that a session may have': [
    ['ok', 'ok'],
    async (over) => [
      await over.admit({
        sessionId: 'a84b4c76e66710@pc33.atlanta.example',
        attempt: 7,
        from: '"Alice" <sip:alice@example.com>;tag=19',
        to: 'sip:bob@example.com',
        node: 'b2bua-1',
        epoch: EPOCH,
        sourceIp: '2001:DB8:0::7',
        sourcePort: 5060,
        destination: '198.51.100.7:5060',
        protocol: 'sip',
        direction: 'inbound',
        correlationId: 'c-1',
        groups: ['trunk:west', 'carrier:x'],
        state: 'reserved',
        priority: 'emergency',
        ttlSeconds: 60,
        userClass: 'gold',
        metadata: { agent: 'phone', nested: { list: [1, 2.5, null, 'ü', true, { deep: {} }] }, __proto: 'x' },
      }),
      await over.get('a84b4c76e66710@pc33.atlanta.example'),
    ],
  ],
  'answers a retry with the session as it is, and marks it': [
    ['ok', 'ok', 'ok'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice' }),
      await over.on('s', 'activity', { bytesSent: 5 }),
      await over.admit({ sessionId: 's', user: 'ALICE', to: 'sip:x@y' }),
    ],
  ],
  'refuses what has ended, until a larger attempt': [
    ['ok', 'ok', 'session-ended', 'ok'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice' }),
      await over.on('s', 'end', { reason: 'BYE', bytesSent: 1, packetsReceived: 2 }),
      await over.admit({ sessionId: 's', user: 'alice' }),
      await over.admit({ sessionId: 's', user: 'alice', attempt: 2 }),
    ],
  ],
  'refuses an id of another user': [
    ['ok', 'session-id-conflict'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice' }),
      await over.admit({ sessionId: 's', user: 'bob' }),
    ],
  ],
  'refuses an older run of a node, and says which is the present one': [
    ['ok', 'stale-epoch'],
    async (over) => [
      await over.beat('n', { epoch: EPOCH }),
      await over.admit({ sessionId: 't', user: 'alice', node: 'n', epoch: EPOCH - 1 }),
    ],
  ],
  'refuses the user that is full': [
    ['ok', 'user-limit-exceeded', 'ok'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'one' }),
      await over.admit({ sessionId: 't', user: 'one' }),
      await over.admit({ sessionId: 't', user: 'alice' }),
    ],
  ],
  'refuses by each limit that is full, named by the first': [
    ['ok', 'ok', 'user-limit-exceeded', 'group-limit-exceeded', 'ip-rate-exceeded'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'one', sourceIp: '192.0.2.1', groups: ['trunk:west'] }),
      await over.admit({ sessionId: 't', user: 'alice', sourceIp: '192.0.2.1' }),
      await over.admit({ sessionId: 'u', user: 'one', sourceIp: '192.0.2.1', groups: ['trunk:west'] }),
      await over.admit({ sessionId: 'u', user: 'bob', groups: ['trunk:west'] }),
      await over.admit({ sessionId: 'u', user: 'bob', sourceIp: '192.0.2.1' }),
    ],
  ],
  'refuses where the tenant is full': [
    ['total-limit-exceeded'],
    async (over) => {
      for (let n = 0; n < LIMITS.max_total_sessions; n++) await over.admit({ sessionId: `s${n}`, user: 'vip' });
      return [await over.admit({ sessionId: 't', user: 'alice' })];
    },
  ],
  'ends the oldest session where the tenant wants that': [
    ['ok', 'ok', 'ok'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice', node: 'n', epoch: EPOCH }),
      await over.admit({ sessionId: 't', user: 'alice' }),
      await over.get('s'),
    ],
    'oldest',
  ],
  'refuses bad input, and names every field': [
    ['invalid-request', 'invalid-request', 'invalid-request', 'invalid-request'],
    async (over) => [
      await over.admit({}),
      await over.admit({
        sessionId: 'x'.repeat(257),
        user: 'alice',
        epoch: -1,
        sourcePort: 70_000,
        sourceIp: 'nowhere',
        groups: ['x'],
        protocol: 'SIP!',
        ttlSeconds: 0,
        attempt: 2 ** 31,
        metadata: { long: 'x'.repeat(5_000) },
      }),
      await over.admit({ sessionId: 's', user: 'alice', state: 'ended' }),
      await over.admit({ sessionId: 's', user: 'alice', epoch: 2 ** 53, node: 'n' }),
    ],
  ],
  'warns of what has no effect': [
    ['ok', 'ok'],
    async (over) => [
      await over.check({ sessionId: 's', user: 'alice', epoch: EPOCH, groups: ['nobody:x'], userClass: 'none' }),
      await over.admit({ sessionId: 's', user: 'alice', epoch: EPOCH, groups: ['nobody:x'], userClass: 'none' }),
    ],
  ],
  'checks without doing it': [
    ['ok', 'session-unknown', 'ok', 'user-limit-exceeded', 'session-id-conflict', 'invalid-request'],
    async (over) => [
      await over.check({ sessionId: 's', user: 'one' }),
      await over.get('s'),
      await over.admit({ sessionId: 's', user: 'one' }),
      await over.check({ sessionId: 't', user: 'one' }),
      await over.check({ sessionId: 's', user: 'bob' }),
      await over.check({ sessionId: 's' }),
    ],
  ],
  'confirms, and again': [
    ['ok', 'ok', 'ok', 'session-unknown', 'ok', 'session-ended'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice', state: 'reserved' }),
      await over.on('s', 'confirm'),
      await over.on('s', 'confirm', { attempt: 1 }),
      await over.on('nobody', 'confirm'),
      await over.on('s', 'end'),
      await over.on('s', 'confirm'),
    ],
  ],
  'gives a session its user, if there is room': [
    ['ok', 'ok', 'user-limit-exceeded', 'ok', 'ok', 'session-id-conflict', 'session-unknown', 'invalid-request'],
    async (over) => [
      await over.admit({ sessionId: 's', protocol: 'ssh' }),
      await over.admit({ sessionId: 't', user: 'one' }),
      await over.on('s', 'authenticate', { user: 'one' }),
      await over.on('s', 'authenticate', { user: 'Alice' }),
      await over.on('s', 'authenticate', { user: 'alice' }),
      await over.on('s', 'authenticate', { user: 'bob' }),
      await over.on('nobody', 'authenticate', { user: 'bob' }),
      await over.on('s', 'authenticate'),
    ],
  ],
  'renews, with totals and channels': [
    ['ok', 'ok', 'ok', 'session-unknown', 'invalid-request', 'ok', 'session-ended'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice', protocol: 'ssh' }),
      await over.on('s', 'activity', {
        bytesSent: 2 ** 40,
        bytesReceived: 2,
        packetsSent: 3,
        packetsReceived: 4,
        channels: [
          { id: 'c1', type: 'direct-tcpip', host: 'h', port: 22, openedAt: '2026-11-21T04:40:00.250Z' },
          { id: 'c2', type: 'session' },
        ],
      }),
      await over.get('s'),
      await over.on('nobody', 'activity'),
      await over.on('s', 'activity', { bytesSent: -1, channels: [{ id: 'c', type: 'telnet' }] }),
      await over.on('s', 'end'),
      await over.on('s', 'activity'),
    ],
  ],
  'ends, and again; what nobody knows is remembered as ended': [
    ['ok', 'ok', 'ok', 'ok', 'session-unknown', 'session-ended'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice' }),
      await over.on('s', 'end', { reason: 'BYE' }),
      await over.on('s', 'end', { reason: 'BYE' }),
      await over.get('s'),
      await over.on('nobody', 'end'),
      await over.admit({ sessionId: 'nobody', user: 'alice' }),
    ],
  ],
  'hands a session over': [
    [
      'ok',
      'ok',
      'ok',
      'ok',
      'ok',
      'session-id-conflict',
      'user-limit-exceeded',
      'stale-epoch',
      'session-ended',
      'invalid-request',
    ],
    async (over) => [
      await over.beat('b', { epoch: EPOCH }),
      await over.admit({ sessionId: 's', user: 'alice', node: 'a', epoch: EPOCH }),
      await over.on('s', 'transfer', { node: 'b', epoch: EPOCH, newId: 's2' }),
      await over.get('s2'),
      await over.admit({ sessionId: 'taken', user: 'one' }),
      await over.on('s2', 'transfer', { node: 'b', newId: 'taken' }),
      await over.on('s2', 'transfer', { node: 'b', user: 'one' }),
      await over.on('s2', 'transfer', { node: 'b', epoch: EPOCH - 1 }),
      await over.on('s', 'transfer', { node: 'c' }),
      await over.on('s2', 'transfer', {}),
    ],
  ],
  'asks for the user where an id is that of several': [
    ['ok', 'ok', 'ok'],
    async (over) => [
      await over.admit({ sessionId: 's', user: 'alice' }),
      await over.get('s', 'Alice'),
      await over.get('s'),
    ],
  ],
  'refuses new sessions at a node that drains': [
    ['ok', 'ok', 'node-draining', 'ok'],
    async (over) => {
      const beat = await over.beat('n', { epoch: EPOCH });
      const before = await over.admit({ sessionId: 's', user: 'alice', node: 'n', epoch: EPOCH });
      await drain('n', over.tenant);
      return [
        beat,
        before,
        await over.admit({ sessionId: 't', user: 'alice', node: 'n', epoch: EPOCH }),
        await over.admit({ sessionId: 's', user: 'alice', node: 'n', epoch: EPOCH }),
      ];
    },
  ],
  'takes beats, and refuses those of an older run': [
    ['ok', 'ok', 'stale-epoch', 'invalid-request'],
    async (over) => [
      await over.beat('n', { epoch: EPOCH, activeSessions: 3 }),
      await over.beat('n', { epoch: EPOCH }),
      await over.beat('n', { epoch: EPOCH - 1 }),
      await over.beat('n', { activeSessions: 1 }),
    ],
  ],
  'lets a node leave, and again': [
    ['ok', 'ok', 'ok', 'ok', 'ok', 'stale-epoch', 'invalid-request'],
    async (over) => [
      await over.beat('n', { epoch: EPOCH }),
      await over.admit({ sessionId: 's', user: 'alice', node: 'n', epoch: EPOCH }),
      await over.leave('n', { epoch: EPOCH }),
      await over.leave('n', { epoch: EPOCH }),
      await over.get('s'),
      await over.beat('n', { epoch: EPOCH }),
      await over.leave('n', {}),
    ],
  ],
  'takes the list of what a node holds': [
    ['ok', 'ok', 'ok', 'invalid-request', 'invalid-request', 'stale-epoch'],
    async (over) => {
      const { says } = await over.beat('n', { epoch: EPOCH });
      const list = { epoch: EPOCH, mark: says['mark'] };
      const startedAt = new Date().toISOString();
      return [
        await over.snapshot('n', {
          ...list,
          part: 1,
          parts: 2,
          sessions: [{ id: 's', attempt: 2, user: 'alice', groups: ['trunk:west'], startedAt, state: 'active' }],
        }),
        await over.snapshot('n', { ...list, part: 2, parts: 2, sessions: [{ id: 't', startedAt }] }),
        await over.get('s'),
        await over.snapshot('n', { ...list, sessions: [{ id: '', startedAt }, { id: 'x' }] }),
        await over.snapshot('n', { ...list, part: 3, parts: 2, sessions: [] }),
        await over.snapshot('n', { ...list, epoch: EPOCH - 1, none: true }),
      ];
    },
  ],
  'takes the result of a command': [
    ['ok', 'not-found', 'invalid-request', 'invalid-request', 'ok', 'ok'],
    async (over) => {
      await over.admit({ sessionId: 's', user: 'alice', node: 'n', epoch: EPOCH });
      await over.admit({ sessionId: 't', user: 'alice' });
      const id = await commandOf('n', over.tenant);
      return [
        await over.acknowledge('n', id, { result: 'failed', cause: 'busy' }),
        await over.acknowledge('other', id, { result: 'done' }),
        await over.acknowledge('n', 'no id at all', { result: 'gone' }),
        await over.acknowledge('n', id, {}),
        await over.acknowledge('n', id, { result: 'done' }),
        await over.acknowledge('n', id, { result: 'gone' }),
      ];
    },
    'oldest',
  ],
};

describe('the same case over HTTP and gRPC', () => {
  it.each(Object.entries(CASES))('%s', async (_, [codes, run, tenants = 'over']) => {
    const http = await run(overHttp(gateway, `${tenants}-http`));
    const grpc = await run(overGrpc(client, `${tenants}-grpc`));

    expect(http.map(({ code }) => code)).toEqual(codes);
    expect(grpc.map(comparable)).toEqual(http.map(comparable));
  });
});

describe('an outage over HTTP and gRPC', () => {
  it('is no refusal: it says when to ask again, and what to answer the caller', async () => {
    const impatient = await startGateway(redis, {
      configYaml: JSON.stringify({ ...SETTINGS, store: { decision_deadline_ms: 200 } }),
    });
    const other = await connectGrpc(impatient);
    redis.pause();
    try {
      const body = { sessionId: 's', user: 'alice' };
      const http = await overHttp(impatient, 'over-http').admit(body);
      const grpc = await overGrpc(other, 'over-grpc').admit(body);

      expect(http.code).toBe('store-unavailable');
      expect(http.says).toMatchObject({ retryAfter: 1, sip: { code: 503 } });
      expect(comparable(grpc)).toEqual(comparable(http));
    } finally {
      redis.resume();
      other.close();
    }
  });
});

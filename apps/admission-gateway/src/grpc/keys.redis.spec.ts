import { afterAll, describe, expect, it } from '@jest/globals';

import { newKey, type NewKey } from '#service-kit';
import { eventually } from '#testing';

import { onOneGateway, type Gateway } from '../gateway.fixture.js';
import { connectGrpc, type GrpcClient } from './grpc.fixture.js';

const keys = { node: newKey(), admin: newKey(), viewer: newKey(), other: newKey() };
const CONFIG = `
tenants: { other: {} }
auth:
  keys:
    - { id: node, hash: '${keys.node.hash}', role: node, nodes: ['b2bua-*'] }
    - { id: admin, hash: '${keys.admin.hash}', role: admin }
    - { id: viewer, hash: '${keys.viewer.hash}', role: viewer }
    - { id: other, hash: '${keys.other.hash}', role: node, tenant: other }
`;
const METHODS = ['Admit', 'Check', 'Confirm', 'Authenticate', 'ReportActivity', 'End', 'Transfer', 'Get'].concat(
  ['Heartbeat', 'Leave', 'PutSnapshot', 'AckCommand'].map((name) => `NodeService/${name}`),
);

let gateway: Gateway;
let client: GrpcClient;

onOneGateway({ configYaml: CONFIG }, async (suite) => {
  ({ gateway } = suite);
  client = await connectGrpc(gateway);
});
afterAll(() => client?.close());

const by = ({ key }: NewKey) => ({ metadata: { authorization: `Bearer ${key}` } });
const reasonOf = ({ errors }: Awaited<ReturnType<GrpcClient['call']>>) => errors['ErrorInfo']?.['reason'];

describe('with keys, gRPC', () => {
  it.each(METHODS)('answers %s to nobody without one', async (method) => {
    const answer = await client.call(method, {});
    expect([answer.code, reasonOf(answer)]).toEqual(['UNAUTHENTICATED', 'UNAUTHORIZED']);
  });

  it.each(['Decide', 'NodeService/WatchCommands'])('opens no stream of %s without a right', async (method) => {
    for (const [options, code] of [
      [{}, 'UNAUTHENTICATED'],
      [by(keys.viewer), 'PERMISSION_DENIED'],
    ] as const) {
      const stream = method === 'Decide' ? client.decide(options) : client.watch(method, { node: 'b2bua-1' }, options);
      await eventually(() => stream.ended === code, { what: code });
    }
  });

  it('lets a key that is bound to nodes watch the commands of these alone, and decide for them', async () => {
    const foreign = client.watch('NodeService/WatchCommands', { node: 'proxy-1' }, by(keys.node));
    await eventually(() => foreign.ended === 'PERMISSION_DENIED');
    const stream = client.decide(by(keys.node));
    stream.send({ number: 1, admit: { sessionId: 'd', user: 'd', node: 'proxy-1' } });
    await eventually(() => stream.all.length === 1);
    expect(stream.all).toMatchObject([{ number: 1, failed: { code: 7 } }]);
    stream.half();
    await eventually(() => stream.ended === 'OK');
  });

  it('lets a viewer see a session, and do nothing', async () => {
    await client.call('Admit', { sessionId: 'seen', user: 'alice' }, by(keys.admin));
    expect((await client.call('Get', { sessionId: 'seen' }, by(keys.viewer))).code).toBe('OK');
    for (const method of METHODS.filter((name) => name !== 'Get')) {
      const answer = await client.call(method, { sessionId: 'seen', node: 'n', epoch: 1 }, by(keys.viewer));
      expect([method, answer.code, reasonOf(answer)]).toEqual([method, 'PERMISSION_DENIED', 'FORBIDDEN']);
    }
  });

  it('lets a key that is bound to nodes speak for these alone', async () => {
    expect((await client.call('Admit', { sessionId: 'own', user: 'b', node: 'b2bua-1' }, by(keys.node))).code).toBe(
      'OK',
    );
    await client.call('Admit', { sessionId: 'foreign', user: 'b', node: 'proxy-1' }, by(keys.admin));

    for (const [method, message] of [
      ['Admit', { sessionId: 'x', user: 'b', node: 'proxy-1' }],
      ['Admit', { sessionId: 'x', user: 'b' }],
      ['End', { sessionId: 'foreign' }],
      ['Get', { sessionId: 'foreign' }],
      ['Transfer', { sessionId: 'own', node: 'proxy-1' }],
      ['NodeService/Heartbeat', { node: 'proxy-1', epoch: 5 }],
      ['NodeService/Leave', { node: 'proxy-1', epoch: 5 }],
      ['NodeService/PutSnapshot', { node: 'proxy-1', epoch: 5, mark: '1', none: true }],
      ['NodeService/AckCommand', { node: 'proxy-1', commandId: 'x', result: 'COMMAND_RESULT_DONE' }],
    ] as const) {
      expect([method, (await client.call(method, message, by(keys.node))).code]).toEqual([method, 'PERMISSION_DENIED']);
    }
    expect((await client.call('End', { sessionId: 'own' }, by(keys.node))).code).toBe('OK');
  });

  it("keeps to the key's tenant", async () => {
    await client.call('Admit', { sessionId: 'here', user: 'alice' }, by(keys.admin));
    expect((await client.call('Get', { sessionId: 'here' }, by(keys.other))).code).toBe('NOT_FOUND');

    const metadata = { ...by(keys.other).metadata, 'berth-tenant': 'default' };
    expect((await client.call('Get', { sessionId: 'here' }, { metadata })).code).toBe('PERMISSION_DENIED');
  });

  it('answers health to everybody', async () => {
    expect(await client.call('grpc.health.v1.Health/Check')).toMatchObject({ message: { status: 'SERVING' } });
    expect((await client.call('grpc.health.v1.Health/Check', { service: 'berth.v1.NodeService' })).code).toBe('OK');
    expect((await client.call('grpc.health.v1.Health/Check', { service: 'nobody.v1' })).code).toBe('NOT_FOUND');
  });

  it('slows those that guess, over HTTP and gRPC together, and never a right key', async () => {
    const wrong = () => client.call('Get', { sessionId: 'x' }, by(newKey()));
    for (let n = 0; n < 5; n++) expect((await wrong()).code).toBe('UNAUTHENTICATED');
    for (let n = 0; n < 5; n++) {
      const { status } = await gateway.get('/v1/sessions/x', by(newKey()).metadata);
      expect(status).toBe(401);
    }

    const slowed = await wrong();
    expect([slowed.code, reasonOf(slowed)]).toEqual(['RESOURCE_EXHAUSTED', 'TOO_MANY_ATTEMPTS']);
    expect(slowed.errors['RetryInfo']).toEqual({ retry_delay: { seconds: expect.any(Number), nanos: 0 } });
    expect((await gateway.get('/v1/sessions/x', by(newKey()).metadata)).status).toBe(429);
    expect((await client.call('Get', { sessionId: 'seen' }, by(keys.viewer))).code).toBe('OK');
    const { payload } = await gateway.app.inject({ url: '/metrics', headers: by(keys.admin).metadata });
    expect(payload).toContain('berth_auth_failures_total{reason="unknown"} 12\n');
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';

import { newKey } from '#service-kit';
import { eventually, type RedisServer } from '#testing';

import { onNewGateways, startGateway, type Gateway } from '../gateway.fixture.js';
import { CallGate } from './call-gate.service.js';
import { connectGrpc, type CallOptions, type GrpcClient } from './grpc.fixture.js';

const SERVICE = 'b2bua.v1.B2BUACallService';
const SDP = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n';
const node = newKey();
const viewer = newKey();

let redis: RedisServer;
let gateway: Gateway;
const clients: GrpcClient[] = [];
let client: GrpcClient;

async function connect(to: Gateway): Promise<GrpcClient> {
  const connected = await connectGrpc(to);
  clients.push(connected);
  return connected;
}

onNewGateways({ configYaml: 'limits: { max_sessions_per_user: 2, max_total_sessions: 150 }' }, async (suite) => {
  ({ redis, gateway } = suite);
  client = await connect(gateway);
});
afterEach(() => clients.splice(0).forEach((one) => one.close()));

const initiate = async (fields: object = {}, by = client, options: CallOptions = {}) =>
  await by.call(
    `${SERVICE}/InitiateCall`,
    { fromUri: 'sip:alice@example.com', toUri: 'sip:bob@example.com', ...fields },
    options,
  );
const terminate = async (callId: string, reason = '') =>
  await client.call(`${SERVICE}/TerminateCall`, { callId, reason });

async function active(filter = '', options: CallOptions = {}, by = client) {
  const stream = by.watch(`${SERVICE}/GetActiveCalls`, { filter }, options);
  await eventually(() => stream.ended !== null, { what: 'the end of the list' });
  return { ended: stream.ended, calls: stream.all, ids: stream.all.map(({ callId }) => callId as string) };
}

const idOf = ({ message }: Awaited<ReturnType<typeof initiate>>) => message['callId'] as string;

describe('InitiateCall', () => {
  it('puts a call on the books, with all that is known of it', async () => {
    const fields = { sdp: SDP, routingRuleId: 'r1', customHeaders: [{ key: 'X-Trunk', value: 'west' }] };
    const answer = await initiate(fields);
    expect(answer).toMatchObject({ code: 'OK', message: { resultingSdp: SDP, status: 'CALL_STATUS_CONNECTED' } });

    expect(idOf(answer)).not.toBe('');
    expect(answer.message['legId']).not.toBe('');
    const { body } = await gateway.get(`/v1/sessions/${idOf(answer)}`);
    expect(body).toMatchObject({
      user: 'alice',
      from: 'sip:alice@example.com',
      to: 'sip:bob@example.com',
      protocol: 'sip',
      state: 'active',
      metadata: { customHeaders: { 'X-Trunk': 'west' }, routingRuleId: 'r1' },
    });
  });

  it('answers the SDP under either name, the one of the service first', async () => {
    expect((await initiate({ initialSdp: SDP, sdp: 'v=1' })).message['resultingSdp']).toBe(SDP);
    expect((await initiate()).message['resultingSdp']).toBe('');
  });

  it('refuses in the words that its programs know, and counts with calls of SIP servers', async () => {
    await gateway.admit({ from: 'sip:alice@example.com' });
    const ids = [idOf(await initiate()), idOf(await initiate())];
    expect(ids).toEqual([expect.any(String), undefined]);

    const refused = await initiate();
    expect([refused.code, refused.details]).toEqual(['RESOURCE_EXHAUSTED', 'session limit exceeded for user alice']);
    expect(refused.errors).toMatchObject({
      ErrorInfo: { reason: 'USER_LIMIT_EXCEEDED', domain: 'berth' },
      QuotaFailure: { violations: [{ subject: 'user:alice', description: '2 of 2' }] },
    });
    expect((await gateway.admit({ from: 'sip:alice@example.com' })).status).toBe(429);
    expect((await initiate({ fromUri: 'sip:carol@example.com' })).code).toBe('OK');
  });

  it('never passes the limit when many ask at once, and each call has an id of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, async () => await initiate()));
    const ids = answers.filter(({ code }) => code === 'OK').map(idOf);
    expect([ids.length, new Set(ids).size]).toEqual([2, 2]);
  });

  it('names a wrong field as its messages do', async () => {
    for (const [fields, field] of [
      [{ fromUri: '' }, 'from_uri'],
      [{ fromUri: 'x'.repeat(5_000) }, 'from_uri'],
      [{ toUri: 'x'.repeat(5_000) }, 'to_uri'],
      [{ customHeaders: [{ key: 'X', value: 'x'.repeat(5_000) }] }, 'custom_headers'],
    ] as const) {
      const { code, details, errors } = await initiate(fields);
      const [violation] = (errors['BadRequest']?.['field_violations'] ?? []) as { field: string }[];
      expect([code, details.split(':')[0], violation?.field]).toEqual(['INVALID_ARGUMENT', field, field]);
    }
  });

  it('leaves no call behind that its caller did not wait for', async () => {
    redis.pause();
    const hasty = await initiate({}, client, { deadlineMs: 200 });
    expect(hasty.code).toBe('DEADLINE_EXCEEDED');
    await eventually(() => gateway.app.get(CallGate).open.size === 0, { what: 'the gateway to know' });
    redis.resume();
    // After what the gateway had asked of Redis before.
    await eventually(async () => (await initiate({ fromUri: 'sip:probe@example.com' })).code === 'OK');
    await eventually(async () => (await active('alice')).ids.length === 0, { what: 'the call to be taken back' });
  });
});

describe('a call', () => {
  it('is shown, ended, shown as ended, and ended again', async () => {
    const id = idOf(await initiate());
    const live = await client.call(`${SERVICE}/GetCallDetails`, { callId: id });
    expect(live.message).toMatchObject({
      callInfo: {
        callId: id,
        fromUri: 'sip:alice@example.com',
        toUri: 'sip:bob@example.com',
        status: 'CALL_STATUS_CONNECTED',
        startTime: { seconds: expect.any(Number) },
        aLeg: { remoteUri: 'sip:alice@example.com', localUri: 'sip:bob@example.com' },
        bLeg: { remoteUri: 'sip:bob@example.com', localUri: 'sip:alice@example.com' },
      },
    });
    expect((await terminate(id, 'done')).message).toEqual({ success: true, message: `Call ${id} terminated` });
    expect((await terminate(id)).message).toMatchObject({ success: true });
    const ended = await client.call(`${SERVICE}/GetCallDetails`, { callId: id });
    expect(ended.message).toMatchObject({ callInfo: { callId: id, status: 'CALL_STATUS_TERMINATED' } });
    expect((await active('alice')).ids).toEqual([]);
  });

  it('that nobody made is not found, and one without an id is a wrong field', async () => {
    expect((await terminate('nobody')).code).toBe('NOT_FOUND');
    const unknown = await client.call(`${SERVICE}/GetCallDetails`, { callId: 'nobody knows' });
    expect([unknown.code, unknown.errors['ErrorInfo']?.['reason']]).toEqual(['NOT_FOUND', 'SESSION_UNKNOWN']);
    const nameless = await terminate('');
    expect([nameless.code, nameless.details.split(':')[0]]).toEqual(['INVALID_ARGUMENT', 'call_id']);
  });

  it('of a SIP server is listed and ended like any other, with where it comes from and goes to', async () => {
    await gateway.admit({
      sessionId: 'sip-1',
      from: '"Bob" <sip:bob@example.com>',
      sourceIp: '192.0.2.1',
      sourcePort: 5060,
      destination: '[2001:db8::1]:5070',
      state: 'reserved',
    });
    const { calls } = await active('sip-1');
    expect(calls).toMatchObject([
      {
        callId: 'sip-1',
        status: 'CALL_STATUS_RINGING',
        aLeg: { remoteIp: '192.0.2.1', remotePort: 5060 },
        bLeg: { remoteIp: '2001:db8::1', remotePort: 5070 },
      },
    ]);
    expect((await terminate('sip-1')).code).toBe('OK');
    expect((await active()).ids).toEqual([]);
  });
});

describe('GetActiveCalls', () => {
  it('lists all, those of a user, or one', async () => {
    const [one, two] = [idOf(await initiate()), idOf(await initiate())];
    const other = idOf(await initiate({ fromUri: 'sip:carol@example.com' }));
    expect((await active()).ids.toSorted()).toEqual([one, two, other].toSorted());
    expect((await active('ALICE')).ids.toSorted()).toEqual([one, two].toSorted());
    expect((await active(other)).ids).toEqual([other]);
    expect(await active('nobody')).toMatchObject({ ended: 'OK', ids: [] });
  });

  it('lists more calls than a page of the books has, each once', async () => {
    const users = Array.from({ length: 130 }, (_, index) => `sip:user${index}@example.com`);
    const ids = (await Promise.all(users.map(async (fromUri) => await initiate({ fromUri })))).map(idOf);
    expect((await active()).ids.toSorted()).toEqual(ids.toSorted());
  });

  it('shows who may see sessions those that are theirs to see, and nobody else', async () => {
    const configYaml = `auth: { keys: [
      { id: node, hash: '${node.hash}', role: node },
      { id: viewer, hash: '${viewer.hash}', role: viewer, nodes: ['b2bua-*'] } ] }`;
    const guarded = await startGateway(redis, { configYaml });
    const guardedClient = await connect(guarded);
    const as = ({ key }: typeof node) => ({ metadata: { authorization: `Bearer ${key}` } });
    const headers = { authorization: `Bearer ${node.key}` };
    for (const [sessionId, on] of [
      ['seen', 'b2bua-1'],
      ['hidden', 'proxy-1'],
    ] as const) {
      await guarded.post('/v1/sessions', { sessionId, user: 'alice', node: on }, headers);
    }
    expect((await active('', as(viewer), guardedClient)).ids).toEqual(['seen']);
    expect((await active('hidden', as(viewer), guardedClient)).ids).toEqual([]);
    expect((await active('', as(node), guardedClient)).ended).toBe('PERMISSION_DENIED');
    expect((await active('', {}, guardedClient)).ended).toBe('UNAUTHENTICATED');
  });

  it('ends with the reason where Redis is away', async () => {
    redis.pause();
    expect((await active()).ended).toBe('UNAVAILABLE');
    redis.resume();
  });
});

it('ListRoutingRules lists none', async () => {
  const answer = await client.call('b2bua.v1.RoutingRuleService/ListRoutingRules', { pageSize: 10 });
  expect([answer.code, answer.message]).toEqual(['OK', { nextPageToken: '' }]); // and no rules
});

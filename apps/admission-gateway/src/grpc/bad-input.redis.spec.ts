import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';

import { afterAll, describe, expect, it } from '@jest/globals';

import { onOneGateway, type Gateway } from '../gateway.fixture.js';
import { connectGrpc, GrpcClient, methodNamed, type GrpcAnswer } from './grpc.fixture.js';
import { GrpcServer } from './grpc-server.service.js';

let gateway: Gateway;
let client: GrpcClient;

onOneGateway({}, async (suite) => {
  ({ gateway } = suite);
  client = await connectGrpc(gateway);
});
afterAll(() => client?.close());

const fieldsOf = ({ errors }: GrpcAnswer) =>
  (errors['BadRequest']?.['field_violations'] as { field: string }[] | undefined)?.map(({ field }) => field);

/** Sends these bytes as the message; the status, as gRPC writes it. */
async function send(path: string, message: Buffer, headers: Record<string, string> = {}): Promise<number | string> {
  const session = connectHttp2(`http://localhost:${client.port}`);
  session.on('error', () => {});
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return await new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let status: number | string = 'none';
    const note = ({ 'grpc-status': ended, ':status': http = 200 }: IncomingHttpHeaders & { ':status'?: number }) => {
      if (ended !== undefined) status = Number(ended);
      else if (http !== 200) status = `HTTP ${http}`;
    };
    stream.on('response', note).on('trailers', note);
    stream.on('error', (error: NodeJS.ErrnoException) => (status = error.code ?? error.message));
    stream.on('close', () => {
      session.destroy();
      resolve(status);
    });
    stream.resume().end(Buffer.concat([frame, message]));
  });
}

const ADMIT = methodNamed('Admit').path;
const INTERNAL = 13;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;

describe('bad input over gRPC', () => {
  it.each([
    ['Admit', {}, ['from']],
    ['Confirm', {}, ['session_id']],
    ['Authenticate', { sessionId: 's' }, ['user']],
    ['ReportActivity', {}, ['session_id']],
    ['End', { reason: 'x' }, ['session_id']],
    ['Transfer', { sessionId: 's' }, ['node']],
    ['Get', {}, ['session_id']],
    ['NodeService/Heartbeat', { epoch: 5 }, ['node']],
    ['NodeService/Heartbeat', { node: 'n' }, ['epoch']],
    ['NodeService/Leave', { node: 'n' }, ['epoch']],
    ['NodeService/PutSnapshot', { node: 'n', epoch: 5 }, ['mark']],
    ['NodeService/AckCommand', { node: 'n' }, ['command_id']],
    ['Confirm', { sessionId: 'x'.repeat(257) }, ['session_id']],
    ['Get', { sessionId: 's', userHint: 'x'.repeat(5_000) }, ['user_hint']],
    ['Admit', { sessionId: 's', user: 'a\nb\u0000' }, ['user']],
    [
      'Admit',
      { sessionId: 's', user: 'a', correlationId: 'x'.repeat(257), node: 'x'.repeat(129) },
      ['node', 'correlation_id'],
    ],
    [
      'NodeService/PutSnapshot',
      { node: 'n', epoch: 5, mark: 'x', sessions: [{ id: 'a', startedAt: { seconds: 1e15 } }] },
      ['mark', 'sessions[0].started_at'],
    ],
    [
      'Admit',
      { sessionId: 's', user: 'a', metadata: { fields: [{ key: 'n', value: { numberValue: Infinity } }] } },
      ['metadata'],
    ],
  ])('%s with %j names the field', async (method, message, fields) => {
    const answer = await client.call(method, message);
    expect([answer.code, fieldsOf(answer)]).toEqual(['INVALID_ARGUMENT', fields]);
  });

  it('is no message at all, or too long a one', async () => {
    expect(await send(ADMIT, Buffer.from([0xff, 0xff, 0xff]))).toBe(INTERNAL);
    expect(await send(ADMIT, Buffer.alloc(1024 * 1024 + 1))).toBe(RESOURCE_EXHAUSTED);
  });

  it('is a method that does not exist, or no gRPC', async () => {
    expect(await send('/berth.v1.AdmissionService/Nothing', Buffer.alloc(0))).toBe(UNIMPLEMENTED);
    expect(await send('/nobody.v1.Nothing/Nothing', Buffer.alloc(0))).toBe(UNIMPLEMENTED);
    expect(await send(ADMIT, Buffer.alloc(0), { 'content-type': 'application/json' })).toBe('HTTP 415');
  });

  it('is metadata without end', async () => {
    const answer = await client.call('Get', { sessionId: 's' }, { metadata: { long: 'x'.repeat(80_000) } });
    expect(answer.code).not.toBe('NOT_FOUND');
    expect((await client.call('Get', { sessionId: 's' })).code).toBe('NOT_FOUND');
  });

  it('is metadata nested without end', async () => {
    let value: object = { boolValue: true };
    for (let depth = 0; depth < 32; depth++) value = { structValue: { fields: [{ key: 'a', value }] } };
    const nested = { sessionId: 's', user: 'a', metadata: { fields: [{ key: 'a', value }] } };
    expect(fieldsOf(await client.call('Admit', nested))).toEqual(['metadata']);

    // A field of Struct within a field of Value, as deep as 1 MiB holds.
    let bytes = Buffer.alloc(0);
    const nest = (tag: number) => {
      bytes = Buffer.concat([Buffer.from([tag]), varint(bytes.length), bytes]);
    };
    for (let depth = 0; depth < 20_000; depth++) for (const tag of [0x2a, 0x12, 0x0a]) nest(tag);
    nest(0xa2);
    expect([3, INTERNAL]).toContain(await send(ADMIT, bytes.subarray(0, 1024 * 1024)));
    expect((await client.call('Get', { sessionId: 's' })).code).toBe('NOT_FOUND');
  });

  it('is a call for another host where there are no keys', async () => {
    const authority = { ':authority': 'evil.example:50051' };
    expect(await send(ADMIT, Buffer.alloc(0), authority)).toBe(7);
    expect(await send(ADMIT, Buffer.alloc(0), { origin: 'http://evil.example' })).toBe(7);
  });

  it('is a port that another server has', async () => {
    await expect(gateway.app.get(GrpcServer).listen(client.port)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      port: client.port,
    });
  });

  it('is a tenant that nobody configured', async () => {
    const answer = await client.call('Get', { sessionId: 's' }, { metadata: { 'berth-tenant': 'nobody' } });
    expect([answer.code, answer.errors['ErrorInfo']?.['reason']]).toEqual(['PERMISSION_DENIED', 'FORBIDDEN']);
  });
});

function varint(number: number): Buffer {
  const bytes: number[] = [];
  let left = number;
  for (; left > 127; left >>= 7) bytes.push((left & 127) | 128);
  return Buffer.from([...bytes, left]);
}

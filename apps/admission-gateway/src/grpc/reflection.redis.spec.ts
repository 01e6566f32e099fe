import { execFile } from 'node:child_process';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';

import { newKey } from '#service-kit';

import { onOneGateway } from '../gateway.fixture.js';
import { connectGrpc, type GrpcClient } from './grpc.fixture.js';

const BUF = join(import.meta.dirname, '../../../../node_modules/@bufbuild/buf/bin/buf');
const KEY = newKey();

let client: GrpcClient;

onOneGateway({ configYaml: `auth: { keys: [{ id: a, hash: '${KEY.hash}', role: admin }] }` }, async ({ gateway }) => {
  client = await connectGrpc(gateway);
});
afterAll(() => client?.close());

/** A client that knows nothing of Berth but what reflection says; what it wrote, and its exit code. */
async function bufCurl(path: string, args: string[], sent = KEY.key): Promise<{ code: number; out: string }> {
  const url = `http://localhost:${client.port}${path}`;
  const key = ['--header', `authorization: Bearer ${sent}`, '--reflect-header', `authorization: Bearer ${sent}`];
  const all = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...key, ...args, url];
  return await new Promise((resolve) => {
    execFile(process.execPath, [BUF, ...all], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, out: error === null ? stdout : stderr });
    });
  });
}

const admit = (protocol: string, body: object) =>
  bufCurl('/berth.v1.AdmissionService/Admit', ['--reflect-protocol', protocol, '--data', JSON.stringify(body)]);

describe.each(['grpc-v1', 'grpc-v1alpha'])('reflection %s', (protocol) => {
  it('lists the services', async () => {
    const { out } = await bufCurl('', ['--reflect-protocol', protocol, '--list-services']);
    expect(out.trim().split('\n')).toEqual([
      'b2bua.v1.B2BUACallService',
      'b2bua.v1.RoutingRuleService',
      'berth.v1.AdmissionService',
      'berth.v1.NodeService',
      'grpc.health.v1.Health',
    ]);
  });

  it('lets a strict client call methods whose messages have maps', async () => {
    const body = {
      sessionId: `by-${protocol}`,
      user: 'alice',
      metadata: { agent: 'phone', deep: { list: [1, null] } },
    };
    const { code, out } = await admit(protocol, body);
    expect([code, code === 0 ? {} : out]).toEqual([0, {}]);
    expect(JSON.parse(out)).toMatchObject({
      session: { id: body.sessionId, user: 'alice', state: 'SESSION_STATE_ACTIVE', metadata: body.metadata },
    });
  });

  it('says what is wrong, details and all', async () => {
    const { code, out } = await admit(protocol, {});
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('from') });
  });
});

it('reflection needs a key', async () => {
  const { code, out } = await bufCurl('', ['--list-services'], 'wrong');
  expect([code, out]).toEqual([1, expect.stringContaining('not authenticated')]);
});

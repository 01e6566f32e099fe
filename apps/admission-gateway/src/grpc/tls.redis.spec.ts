import { credentials } from '@grpc/grpc-js';
import { afterEach, expect, it } from '@jest/globals';

import { newKey } from '#service-kit';
import {
  describeWith,
  endedAfterEach,
  onAuthorities,
  onRedis,
  type RedisServer,
  type TestAuthority,
  type TestCertificate,
} from '#testing';

import { startGateway, stopGateways } from '../gateway.fixture.js';
import { GrpcClient } from './grpc.fixture.js';
import { GrpcServer } from './grpc-server.service.js';

const { key, hash } = newKey();

let redis: RedisServer;
let authority: TestAuthority;
let other: TestAuthority;
let server: TestCertificate;
const clients = endedAfterEach<GrpcClient>((client) => client.close());

/** The port of a gateway whose section `grpc` or `http` has this TLS. */
async function serve(section: 'grpc' | 'http', more = {}): Promise<number> {
  const tls = { cert_file: server.certFile, key_file: server.keyFile, ...more };
  const configYaml = JSON.stringify({
    [section]: { tls },
    auth: { keys: [{ id: 'a', role: 'admin', hash }] },
  });
  const gateway = await startGateway(redis, { configYaml });
  return await gateway.app.get(GrpcServer).listen(0);
}

function connect(port: number, ca: string | null, own?: TestCertificate): GrpcClient {
  const pem = (text: string) => Buffer.from(text);
  const channel =
    ca === null
      ? credentials.createInsecure()
      : credentials.createSsl(
          pem(ca),
          own === undefined ? null : pem(own.key),
          own === undefined ? null : pem(own.cert),
        );
  const client = new GrpcClient(port, channel);
  clients.push(client);
  return client;
}

const get = (client: GrpcClient, withKey = true) =>
  client.call(
    'Get',
    { sessionId: 'x' },
    { metadata: withKey ? { authorization: `Bearer ${key}` } : {}, deadlineMs: 20_000 },
  );

describeWith(['redis-server', 'openssl'], 'gRPC with TLS', () => {
  onRedis((on) => ({ redis } = on));
  onAuthorities((on) => ({ authority, other, server } = on));
  afterEach(stopGateways);

  it.each(['grpc', 'http'] as const)(
    'is served by %s.tls to clients that trust its authority, and asks for keys',
    async (section) => {
      const port = await serve(section);
      const client = connect(port, authority.ca);
      expect([(await get(client)).code, (await get(client, false)).code]).toEqual(['NOT_FOUND', 'UNAUTHENTICATED']);
      expect((await get(connect(port, other.ca))).code).toBe('UNAVAILABLE');
      expect((await get(connect(port, null))).code).toBe('UNAVAILABLE');
    },
  );

  it('asks for client certificates where the file names their authorities, and says what is wrong with one', async () => {
    const port = await serve('grpc', { client_ca_file: authority.caFile });
    const [own, foreign] = await Promise.all([authority.issue('client'), other.issue('foreign')]);
    expect((await get(connect(port, authority.ca, own))).code).toBe('NOT_FOUND');
    for (const client of [connect(port, authority.ca), connect(port, authority.ca, foreign)]) {
      const { code, details } = await get(client);
      expect([code, details]).toEqual(['PERMISSION_DENIED', expect.stringContaining('grpc.tls.client_ca_file')]);
      expect((await client.call('grpc.health.v1.Health/Check')).code).toBe('OK');
    }
  });
});

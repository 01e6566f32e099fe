import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { credentials } from '@grpc/grpc-js';
import { afterEach, expect, it } from '@jest/globals';

import { ConfigFiles, readConfig } from '#config';
import { ConfigReload, newKey } from '#service-kit';
import { describeWith, endedAfterEach, eventually, makeAuthority, onFolder, onRedis, type RedisServer } from '#testing';

import { listen } from '../commands/commands.fixture.js';
import { startGateway, stopGateways, type Gateway } from '../gateway.fixture.js';
import { GrpcClient } from './grpc.fixture.js';
import { GrpcServer } from './grpc-server.service.js';

const [one, other] = [newKey(), newKey()];
const keyed = ({ hash }: typeof one, id: string) => ({ id, role: 'admin', hash });

let redis: RedisServer;
let dir: string;
let gateway: Gateway;
const clients = endedAfterEach<GrpcClient>((client) => client.close());

/** A gateway that reads this file again when it is told to; returns its port for gRPC. */
async function serve(settings: object): Promise<number> {
  const file = join(dir, 'berth.yaml');
  await writeFile(file, JSON.stringify(settings));
  gateway = await startGateway(redis, { configYaml: JSON.stringify(settings) });
  await listen(gateway);
  const source = { env: { BERTH_CONFIG: file, BERTH_REDIS_URL: redis.url }, cwd: dir };
  const files = new ConfigFiles(dir);
  gateway.app.get(ConfigReload).watch(readConfig({ ...source, files }), files.digests, source);
  return await gateway.app.get(GrpcServer).listen(0);
}

function connect(port: number, ca?: string): GrpcClient {
  const client = new GrpcClient(port, ca === undefined ? undefined : credentials.createSsl(Buffer.from(ca)));
  clients.push(client);
  return client;
}

const by = ({ key }: typeof one) => ({ metadata: { authorization: `Bearer ${key}` } });

describeWith(['redis-server', 'openssl'], 'gRPC, when the configuration is read again', () => {
  onRedis((on) => ({ redis } = on));
  afterEach(stopGateways);
  onFolder((folder) => (dir = folder));

  it('ends the streams of a key that is gone, and goes on with those of the others', async () => {
    const client = connect(await serve({ auth: { keys: [keyed(one, 'one'), keyed(other, 'other')] } }));
    const [decided, kept] = [client.decide(by(one)), client.decide(by(other))];
    const watched = client.watch('NodeService/WatchCommands', { node: 'n' }, by(one));
    for (const stream of [decided, kept]) stream.send({ number: 1, end: { sessionId: 'x' } });
    await eventually(() => decided.all.length === 1 && kept.all.length === 1);

    await writeFile(join(dir, 'berth.yaml'), JSON.stringify({ auth: { keys: [keyed(other, 'other')] } }));
    gateway.app.get(ConfigReload).reload('SIGHUP');

    await eventually(() => decided.ended !== null && watched.ended !== null, { what: 'the streams to end' });
    expect([decided.ended, watched.ended]).toEqual(['OK', 'OK']);
    expect(watched.all).toEqual([{ reconnect: { reason: 'key-changed' } }]);
    expect((await client.call('Get', { sessionId: 'x' }, by(one))).code).toBe('UNAUTHENTICATED');
    kept.send({ number: 2, end: { sessionId: 'x' } });
    await eventually(() => kept.all.length === 2);
    kept.half();
    await eventually(() => kept.ended === 'OK');
  });

  it('serves new connections with a renewed certificate, and open ones as before', async () => {
    const [before, after] = await Promise.all([makeAuthority(dir, 'before'), makeAuthority(dir, 'after')]);
    const [old, renewed] = await Promise.all([before.issue('old'), after.issue('renewed')]);
    const files = { cert_file: join(dir, 'served.pem'), key_file: join(dir, 'served.key') };
    const put = async ({ certFile, keyFile }: typeof old) => {
      await copyFile(certFile, files.cert_file);
      await copyFile(keyFile, files.key_file);
    };
    await put(old);
    const port = await serve({ grpc: { tls: files }, auth: { keys: [keyed(one, 'one')] } });
    const open = connect(port, before.ca);
    expect((await open.call('Get', { sessionId: 'nobody' }, by(one))).code).toBe('NOT_FOUND');

    await put(renewed);
    gateway.app.get(ConfigReload).reload('SIGHUP');

    expect((await connect(port, after.ca).call('Get', { sessionId: 'nobody' }, by(one))).code).toBe('NOT_FOUND');
    expect((await open.call('Get', { sessionId: 'nobody' }, by(one))).code).toBe('NOT_FOUND');
  });
});

import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';

import {
  describeWith,
  eventually,
  freePort,
  httpsRequest,
  makeAuthority,
  startBerth,
  startRedis,
  type Berth,
  type RedisServer,
  type TestAuthority,
  type TestCertificate,
} from '#testing';

describeWith(['redis-server', 'openssl'], 'HTTP with TLS, and mutual TLS, of the apps', () => {
  let redis: RedisServer;
  let dir: string;
  let authority: TestAuthority;
  let server: TestCertificate;
  let client: TestCertificate;
  let berth: Berth | undefined;

  beforeAll(async () => {
    redis = await startRedis();
    dir = await mkdtemp(join(tmpdir(), 'berth-https-e2e-'));
    authority = await makeAuthority(dir, 'authority');
    [server, client] = [await authority.issue('server'), await authority.issue('client')];
  });

  afterEach(async () => {
    await berth?.stop();
    berth = undefined;
  });

  afterAll(async () => {
    await redis?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  const tls = ({ certFile, keyFile }: TestCertificate, more = '') =>
    `http: { tls: { cert_file: '${certFile}', key_file: '${keyFile}'${more} } }\nhistory: { storage: memory }\n`;

  it('serves gateway, limits-admin and reaper, and takes a renewed certificate without a restart', async () => {
    const current = await authority.issue('current');
    berth = await startBerth({ redisUrl: redis.url, configYaml: tls(current), https: true });
    const [gateway, admin, reaper] = (['admission-gateway', 'limits-admin', 'session-reaper'] as const).map(
      (name) => berth!.app(name).url,
    );
    const { ca } = authority;
    const headers = { 'content-type': 'application/json' };
    const body = '{"sessionId":"call-1","user":"alice"}';
    expect(await httpsRequest(`${gateway}/v1/sessions`, { ca, method: 'POST', headers, body })).toMatchObject({
      status: 201,
      server: 'current',
    });
    expect((await httpsRequest(`${admin}/api/sessions/users/alice`, { ca })).body).toContain('call-1');
    expect((await httpsRequest(`${reaper}/metrics`, { ca })).status).toBe(200);
    for (const { process } of berth.apps)
      await eventually(() => /"url":"https:\/\/127.0.0.1:\d+","pid"/.test(process.output()));
    const renewed = await authority.issue('renewed');
    await rename(renewed.keyFile, current.keyFile);
    await rename(renewed.certFile, current.certFile);
    await eventually(
      async () => {
        const shown = await Promise.all(
          [gateway, admin, reaper].map((url) => httpsRequest(`${url}/health/live`, { ca })),
        );
        return shown.every((answer) => answer.server === 'renewed');
      },
      { timeoutMs: 15_000 },
    );
  });

  it('asks for a client certificate of each but its probes, beside the metrics port', async () => {
    const metricsPort = await freePort();
    berth = await startBerth({
      redisUrl: redis.url,
      apps: ['admission-gateway'],
      configYaml: tls(server, `, client_ca_file: '${authority.caFile}'`),
      env: { BERTH_METRICS_PORT: String(metricsPort) },
      https: true,
    });
    const { url } = berth.app('admission-gateway');
    const { ca } = authority;
    expect((await httpsRequest(`${url}/v1/sessions/x`, { ca })).status).toBe(403);
    expect((await httpsRequest(`${url}/v1/sessions/x`, { ca, cert: client.cert, key: client.key })).status).toBe(404);
    expect((await httpsRequest(`${url}/health/ready`, { ca })).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).status).toBe(200);
  });

  it('refuses a start with a key that does not fit, with its path and what to do', async () => {
    const start = startBerth({
      redisUrl: redis.url,
      apps: ['limits-admin'],
      configYaml: tls({ ...server, keyFile: client.keyFile }),
      https: true,
    });
    await expect(start).rejects.toThrow(
      `http.tls.key_file: found "${client.keyFile}", which does not fit the certificate in "${server.certFile}"; name the key`,
    );
  });
});

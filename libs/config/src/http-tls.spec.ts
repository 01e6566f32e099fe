import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { describeWith, makeAuthority, type TestAuthority, type TestCertificate } from '#testing';

import { ConfigError } from './config.error.js';
import { loadConfig } from './load-config.js';

describeWith(['openssl'], 'the certificate of HTTPS', () => {
  let dir: string;
  let authority: TestAuthority;
  let server: TestCertificate;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'berth-http-tls-'));
    authority = await makeAuthority(dir, 'authority');
    server = await authority.issue('server');
  });

  afterAll(async () => {
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  /** The problems of a start with these files, relative to the directory. */
  async function problemsOf(files: Record<string, string>): Promise<readonly string[]> {
    await writeFile(join(dir, 'berth.yaml'), JSON.stringify({ http: { tls: files } }));
    try {
      loadConfig({ env: {}, cwd: dir });
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  }

  const good = { cert_file: 'server.pem', key_file: 'server.key' };

  it('is taken with its key and the authorities of its clients', async () => {
    expect(await problemsOf({ ...good, client_ca_file: 'authority.ca.pem' })).toEqual([]);
    expect(loadConfig({ env: {}, cwd: dir }).http.tls).toEqual({
      cert: server.cert,
      key: server.key,
      clientCa: authority.ca,
    });
  });

  it('is that of gRPC too, unless this has its own', async () => {
    const another = await authority.issue('grpc');
    await writeFile(join(dir, 'berth.yaml'), JSON.stringify({ http: { tls: good } }));
    expect(loadConfig({ env: {}, cwd: dir }).grpc.tls?.cert).toBe(server.cert);

    const own = { cert_file: 'grpc.pem', key_file: 'grpc.key' };
    await writeFile(join(dir, 'berth.yaml'), JSON.stringify({ http: { tls: good }, grpc: { tls: own } }));
    const { http, grpc } = loadConfig({ env: {}, cwd: dir });
    expect([http.tls?.cert, grpc.tls?.cert]).toEqual([server.cert, another.cert]);
  });

  it('is taken with those between it and its authority behind it', async () => {
    await writeFile(join(dir, 'chain.pem'), server.cert + authority.ca);
    expect(await problemsOf({ ...good, cert_file: 'chain.pem' })).toEqual([]);
  });

  it('is refused at start with a key that does not fit, with both paths and what to do', async () => {
    await authority.issue('another');
    expect(await problemsOf({ ...good, key_file: 'another.key' })).toEqual([
      'http.tls.key_file: found "another.key", which does not fit the certificate in "server.pem"; ' +
        'name the key that it was made with; the certificate of the server comes first in its file',
    ]);
  });

  it('is refused at start when it has expired, as are authorities that have', async () => {
    await authority.issue('expired', { days: -1 });
    expect(await problemsOf({ cert_file: 'expired.pem', key_file: 'expired.key' })).toEqual([
      expect.stringMatching(/^http.tls.cert_file: found "expired.pem", which expired at 20\S+Z; put a new one there$/),
    ]);
    expect(await problemsOf({ ...good, client_ca_file: 'expired.pem' })).toEqual([
      expect.stringMatching(/^http.tls.client_ca_file: found "expired.pem", which expired at/),
    ]);
  });

  it('is refused with the path where a file is not there, or is another thing', async () => {
    await writeFile(join(dir, 'text.pem'), 'some text');
    const broken = server.cert.replace(/\n[A-Za-z0-9+/]{64}\n/, '\n');
    await writeFile(join(dir, 'broken.pem'), broken);
    expect(await problemsOf({ cert_file: 'none.pem', key_file: 'none.key' })).toEqual([
      'http.tls.cert_file: found "none.pem", which cannot be read (ENOENT)',
      'http.tls.key_file: found "none.key", which cannot be read (ENOENT)',
    ]);
    expect(await problemsOf({ ...good, cert_file: 'server.key' })).toEqual([
      'http.tls.cert_file: found "server.key", which holds no certificate; expected -----BEGIN CERTIFICATE-----',
    ]);
    expect(await problemsOf({ ...good, cert_file: 'broken.pem' })).toEqual([
      'http.tls.cert_file: found "broken.pem", which holds a certificate that cannot be read; write the file again',
    ]);
    expect(await problemsOf({ ...good, key_file: 'text.pem', client_ca_file: 'text.pem' })).toEqual([
      'http.tls.key_file: found "text.pem", which holds no private key; expected -----BEGIN PRIVATE KEY-----',
      'http.tls.client_ca_file: found "text.pem", which holds no certificate; expected -----BEGIN CERTIFICATE-----',
    ]);
  });

  it('is refused with a key that has a passphrase, which is not shown', async () => {
    execFileSync('openssl', [
      'pkcs8',
      '-topk8',
      '-passout',
      'pass:hunter2',
      '-in',
      server.keyFile,
      '-out',
      join(dir, 'locked.key'),
    ]);
    expect(await problemsOf({ ...good, key_file: 'locked.key' })).toEqual([
      'http.tls.key_file: found "locked.key", which has a passphrase; write it without one; expected -----BEGIN PRIVATE KEY-----',
    ]);
  });

  it('is refused where its key is too short to be served', async () => {
    const [cert, key] = [join(dir, 'short.pem'), join(dir, 'short.key')];
    const request = ['req', '-x509', '-newkey', 'rsa:768', '-nodes', '-subj', '/CN=localhost', '-days', '2'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    expect(await problemsOf({ cert_file: 'short.pem', key_file: 'short.key' })).toEqual([
      expect.stringMatching(/^http.tls.cert_file: found "short.pem", which cannot be served: .*too small/),
    ]);
  });
});

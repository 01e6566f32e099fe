import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { describeWith, findTool, projectRoot, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { NEEDED, python } from './b2bua-scripts.js';

const BUF = join(projectRoot(), 'node_modules', '@bufbuild', 'buf', 'bin', 'buf');
const STUBS = ['b2bua_pb2.py', 'b2bua_pb2_grpc.py'];

/** As a program that was built for the replaced B2BUA asks: six calls of one user. */
const SIX_CALLS = `
import os, sys, grpc
from b2bua.v1.b2bua_pb2_grpc import B2BUACallServiceStub
from b2bua.v1 import b2bua_pb2

stub = B2BUACallServiceStub(grpc.insecure_channel(os.environ['BERTH_GRPC']))
for number in range(6):
    request = b2bua_pb2.InitiateCallRequest(from_uri='sip:testuser@example.com', to_uri='sip:target@example.com', sdp='v=0')
    try:
        print('admitted', stub.InitiateCall(request).call_id)
    except grpc.RpcError as error:
        print(error.code().name, error.details())
`;

describeWith(NEEDED, 'programs of the B2BUA that Berth replaces', () => {
  let redis: RedisServer;
  let berth: Berth;

  beforeAll(async () => {
    redis = await startRedis();
    const configYaml = 'limits: { max_sessions_per_user: 5 }\nhistory: { storage: memory }';
    berth = await startBerth({ redisUrl: redis.url, configYaml });
  });
  afterAll(async () => {
    await berth?.stop();
    await redis?.stop();
  });

  it('make five calls of a user, and hear why the sixth is refused', async () => {
    const { code, stdout } = await python(berth, ['-c', SIX_CALLS]);
    const lines = stdout.trim().split('\n');
    expect(code).toBe(0);
    expect(lines.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => expect.stringMatching(/^admitted \S+$/)));
    expect(lines.slice(5)).toEqual(['RESOURCE_EXHAUSTED session limit exceeded for user testuser']);
  });

  it.each([
    ['test_simple_session_limits.py'],
    ['test_same_user_limits.py'],
    ['verify_session_limits.py'],
    ['test_session_limits_stress.py', '--users', '4', '--calls', '12', '--at-once', '24'],
  ])('run %s', async (...words) => {
    const { code, stdout, stderr } = await python(berth, words);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ {2}ok {3}/m);
    expect(stdout).not.toContain('FAIL');
  });

  it('leave no call behind when they end', async () => {
    const { sessions } = (await (await fetch(`${berth.app('limits-admin').url}/api/sessions/active`)).json()) as {
      sessions: { user: string }[];
    };
    expect(sessions.filter(({ user }) => user !== 'testuser')).toEqual([]);
  });

  it('fail with 1 where a limit does not hold', async () => {
    const path = `${berth.app('limits-admin').url}/api/sessions/limits`;
    const put = async (body: object) =>
      await fetch(path, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    await put({ max_sessions_per_user: 0 });
    const { code, stdout, stderr } = await python(berth, ['test_simple_session_limits.py']);
    await put({ max_sessions_per_user: 5 });
    expect([code, stderr]).toEqual([1, 'Failed: the user has a limit\n']);
    expect(stdout).toContain('FAIL the user has a limit: found 0');
  });

  it('say which server is away with 3, and what is wrong with an option with 2', async () => {
    const away = await python(berth, ['test_simple_session_limits.py'], { BERTH_ADMIN_URL: 'http://127.0.0.1:1' });
    expect([away.code, away.stderr]).toEqual([3, expect.stringContaining('http://127.0.0.1:1: ')]);
    const noGateway = await python(berth, ['test_simple_session_limits.py', '--target', '127.0.0.1:1']);
    expect([noGateway.code, noGateway.stderr]).toEqual([3, expect.stringContaining('127.0.0.1:1: UNAVAILABLE: ')]);
    const wrong = await python(berth, ['test_session_limits_stress.py', '--users', 'many']);
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining("expected a whole number from 1, got 'many'"),
    ]);
  });

  it('have stubs that are those of the .proto file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'berth-stubs-'));
    try {
      const run = promisify(execFile);
      const set = join(folder, 'set.binpb');
      await run(process.execPath, [BUF, 'build', '--as-file-descriptor-set', '-o', set], {
        cwd: join(projectRoot(), 'protos'),
      });
      const plugin = `--plugin=protoc-gen-grpc=${findTool('grpc_python_plugin')}`;
      const out = [`--python_out=${folder}`, `--grpc_out=${folder}`];
      await run('protoc', [`--descriptor_set_in=${set}`, ...out, plugin, 'b2bua/v1/b2bua.proto']);
      for (const name of STUBS) {
        const path = join('b2bua', 'v1', name);
        const written = await readFile(join(projectRoot(), 'examples', 'b2bua', path), 'utf8');
        expect(written).toBe(await readFile(join(folder, path), 'utf8'));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

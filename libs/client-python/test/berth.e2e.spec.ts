import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect, it } from '@jest/globals';

import { describeWith, eventually, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

const FOLDER = new URL('..', import.meta.url).pathname;

describeWith(['redis-server', 'python3'], 'the session manager in Python', () => {
  let redis: RedisServer;
  let berth: Berth;
  let env: NodeJS.ProcessEnv;

  beforeEach(async () => {
    redis = await startRedis();
    berth = await startBerth({
      redisUrl: redis.url,
      configYaml: 'limits: { max_sessions_per_user: 5 }\nhistory: { storage: memory }',
    });
    const { PATH } = process.env;
    const [BERTH_URL, BERTH_ADMIN_URL] = [berth.app('admission-gateway').url, berth.app('limits-admin').url];
    env = { PATH, BERTH_URL, BERTH_ADMIN_URL, PYTHONDONTWRITEBYTECODE: '1' };
  });

  afterEach(async () => {
    await berth.stop();
    await redis.stop();
  });

  const python = (...words: string[]) => promisify(execFile)('python3', words, { cwd: FOLDER, env });

  it('keeps what it promises', async () => {
    const { stderr } = await python('test/test_berth.py');
    expect(stderr).toMatch(/\nRan 16 tests in .*\n\nOK\n$/);
  });

  it('is shown by the example', async () => {
    const { stdout } = await python('example_usage.py');
    expect(stdout).toMatch(/^Refused with user-limit-exceeded: 5 of 5$/m);
    expect(stdout).toMatch(/^Live sessions of user-\w+: 5$/m);
    expect(stdout).toMatch(/^Ended the first; found now: None$/m);
    expect(stdout).toMatch(/^Ended the others: 4$/m);
  });

  it('says what is wrong where Berth is away, and fails', async () => {
    await berth.app('admission-gateway').process.kill();
    await expect(python('example_usage.py')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^unavailable: http:\S+ did not answer: /),
    });
  });

  it('gives nobody a session id: not books, history, exports or logs', async () => {
    const made = await python(
      '-c',
      `import os
from berth import *
manager = SessionManager(os.environ['BERTH_URL'], admin_url=os.environ['BERTH_ADMIN_URL'], timeout_seconds=30)
sessions = [manager.create_session('alice', metadata={'n': n}) for n in range(5)]
try: manager.create_session('alice')
except SessionRefused: pass
manager.get_session(sessions[0].session_id); manager.invalidate_session(sessions[0].session_id)
print(' '.join(s.session_id for s in sessions))
print(' '.join(s.session_id for s in manager.get_user_sessions('alice')))`,
    );
    const [secrets, handles] = made.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    const admin = env['BERTH_ADMIN_URL'];
    const history = async () => await textOf(`${admin}/api/sessions/history?status=rejected_by_limit`);
    await eventually(async () => (await history()).includes('alice'), {
      what: 'the refusal, the last of all, in history',
    });
    const seen = [
      await redis.onDisk(),
      await textOf(`${admin}/api/sessions/active`),
      await textOf(`${admin}/api/sessions/history`),
      await textOf(`${admin}/api/sessions/history/export?format=csv`),
      ...berth.apps.map(({ process }) => process.output()),
    ];
    const found = (id: string) => seen.filter((text) => text.includes(id)).length;
    // Books, list, history, export and the gateway's log have the handles: the search finds what is there.
    expect(handles?.map(found)).toEqual(Array.from({ length: 4 }, () => 5));
    expect(secrets?.map(found)).toEqual(Array.from({ length: 5 }, () => 0));
  });
});

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return await response.text();
}

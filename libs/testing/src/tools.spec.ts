import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { describeWith, findTool } from './tools.js';

describe('findTool', () => {
  it('finds what is on the PATH', () => {
    expect(findTool('sh')).toMatch(/\/sh$/);
  });

  it('knows what is missing', () => {
    expect(findTool('no-such-tool')).toBeNull();
  });
});

describeWith(['sh'], 'describeWith, nothing missing', () => {
  it('runs the tests', () => {
    expect(true).toBe(true);
  });
});

describe('describeWith, a tool missing', () => {
  const root = process.cwd();
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'berth-describe-with-'));
    const tools = join(import.meta.dirname, 'tools.ts');
    await writeFile(
      join(dir, 'missing.spec.ts'),
      `import { describeWith } from '${tools}';
       describeWith(['no-such-tool'], 'a suite', () => { it('must not run', () => { throw new Error('it ran'); }); });`,
    );
  });

  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('skips, aloud', async () => {
    const { code, output } = await runJest({ BERTH_TEST_ALL: '' });
    expect(output).toContain('SKIPPED: a suite: no-such-tool is not installed');
    expect(output).not.toContain('it ran');
    expect(code).toBe(0);
  });

  it('fails when everything has to run', async () => {
    const { code, output } = await runJest({ BERTH_TEST_ALL: '1' });
    expect(output).toContain('BERTH_TEST_ALL=1 forbids skipping');
    expect(code).not.toBe(0);
  });

  function runJest(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
    const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
    const config = JSON.stringify({
      rootDir: dir,
      transform: { '^.+\\.ts$': [join(root, 'node_modules', '@swc', 'jest')] },
      extensionsToTreatAsEsm: ['.ts'],
      testMatch: ['**/*.spec.ts'],
      testEnvironment: 'node',
    });
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [jest, '--config', config],
        { cwd: root, env: { ...process.env, NODE_OPTIONS: '--experimental-vm-modules', ...env } },
        (_, stdout, stderr) => resolve({ code: child.exitCode, output: stdout + stderr }),
      );
    });
  }
});

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const ROOT = resolve('.');

let dir: string;
let ending: AbortController;

beforeEach(async () => {
  ending = new AbortController();
  dir = await mkdtemp(join(tmpdir(), 'berth-suite-'));
  await symlink(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  await writeFile(
    join(dir, 'jest.config.mjs'),
    `import config from '${pathToFileURL(join(ROOT, 'jest.config.js')).href}';
     const { testEnvironment, testSequencer, setupFilesAfterEnv, ...others } = config;
     const ours = (path) => path.replace('<rootDir>', '${ROOT}');
     export default { ...others, roots: ['<rootDir>'], testEnvironmentOptions: { patienceMs: 1_000 }, workerGracefulExitTimeout: 1_000, testEnvironment: ours(testEnvironment), testSequencer: ours(testSequencer), setupFilesAfterEnv: setupFilesAfterEnv.map(ours) };`,
  );
});
afterEach(async () => {
  ending.abort();
  await rm(dir, { recursive: true, force: true });
});

/** Runs suites as `npm test` runs its own, by one worker. */
async function jest(suites: Record<string, string>): Promise<{ code: number; output: string }> {
  for (const [name, text] of Object.entries(suites)) await writeFile(join(dir, name), text);
  const args = [join(ROOT, 'node_modules/jest/bin/jest.js'), '--rootDir', dir, '--maxWorkers=1'];
  const env = { ...process.env, NODE_OPTIONS: '--experimental-vm-modules --no-warnings' };
  return await new Promise((done) => {
    execFile(process.execPath, args, { cwd: dir, env, signal: ending.signal }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

describe('npm test has bounded memory:', () => {
  it('a worker in which suites leave their contexts behind is replaced before its heap is full', async () => {
    // Modules that import each other are never collected, and neither is the context that they belong to.
    const suite = `
      import { appendFileSync } from 'node:fs';
      import { expect, it } from '@jest/globals';
      import { cycle } from './one.js';
      it('fills 160 MB', () => {
        expect(cycle()).toBe(2);
        appendFileSync('${dir}/pids', process.pid + '\\n');
      });`;
    const cycle = {
      'one.ts': `import { two } from './two.js'; export const one = () => 1; export const cycle = () => two();`,
      'two.ts': `import { one } from './one.js'; export const kept = new Array(20_000_000).fill(0.5); export const two = () => one() + 1;`,
    };
    const suites = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`s${n}.spec.ts`, suite]));
    const { code, output } = await jest({ ...cycle, ...suites });
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    const pids = (await readFile(join(dir, 'pids'), 'utf8')).trim().split('\n');
    expect(pids.length).toBeGreaterThanOrEqual(6);
    expect(new Set(pids).size).toBeGreaterThan(1);
    expect(output).not.toContain('failed to exit gracefully');
  }, 300_000);

  it('a suite that leaves a server or a timer open fails, and the one after it does not', async () => {
    const { code, output } = await jest({
      'leaves.spec.ts': `
        import { createServer } from 'node:net';
        import { it } from '@jest/globals';
        it('passes', async () => {
          setInterval(() => {}, 1_000);
          await new Promise((resolve) => createServer().listen(0, '127.0.0.1', resolve));
        });`,
      'closes.spec.ts': `
        import { it } from '@jest/globals';
        it('passes', () => {});`,
    });
    expect(code).toBe(1);
    expect(output).toMatch(/leaves\.spec\.ts left open: 1 TCPServerWrap, 1 Timeout/);
    expect(output).toContain('PASS ./closes.spec.ts');
  }, 300_000);
});

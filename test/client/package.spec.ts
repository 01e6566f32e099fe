import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { packClient, ROOT, run, type PackedClient } from './packed-client.js';

/** Each has a `.js` and a `.d.ts`, twice. */
const MODULES = [
  'calls',
  'client',
  'errors',
  'event-stream',
  'facts',
  'gateways',
  'generated/operations',
  'http-transport',
  'index',
  'node/beat-worker',
  'node/beats',
  'node/berth-node',
  'node/hang-ups',
  'node/journal',
  'node/own-file',
  'options',
  'outcomes',
  'pause',
  'problems',
  'session-manager',
  'transport',
];
const MAX_BYTES = 100_000;

let packed: PackedClient;

beforeAll(async () => {
  packed = await packClient();
});

afterAll(async () => packed.remove());

describe('the package of the client', () => {
  it('has exactly these files, and is small', () => {
    const built = ['cjs', 'esm'].flatMap((form) =>
      MODULES.flatMap((name) => [`dist/${form}/${name}.d.ts`, `dist/${form}/${name}.js`]),
    );
    const expected = [...built, 'LICENSE', 'README.md', 'dist/cjs/package.json', 'package.json'];
    expect(packed.files.map(({ path }) => path).toSorted()).toEqual(expected.toSorted());
    expect(packed.size).toBeLessThan(MAX_BYTES);
  });

  it('has nothing that publint complains of', async () => {
    const publint = join(ROOT, 'node_modules/publint/src/cli.js');
    const { stdout } = await run(process.execPath, [publint, 'run', packed.tarball, '--strict']);
    expect(stdout).toContain('All good!');
  });

  it('has types that are right for every way to import it', async () => {
    const attw = join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const { stdout } = await run(process.execPath, [attw, packed.tarball, '--format', 'json', '--no-definitely-typed']);
    const { analysis } = JSON.parse(stdout) as { analysis: { types: { kind: string }; problems: unknown[] } };
    expect(analysis.types.kind).toBe('included');
    expect(analysis.problems).toEqual([]);
  });

  it('asks for nothing but Node.js', async () => {
    const facts = JSON.parse(await readFile(join(ROOT, 'libs/client/package.json'), 'utf8')) as Record<string, unknown>;
    expect(facts['dependencies'] ?? facts['peerDependencies']).toBeUndefined();
  });

  it.each([
    ['module.mjs', `import { BerthClient, BerthNode, UnavailableError } from '@berth/client';`],
    ['common.cjs', `const { BerthClient, BerthNode, UnavailableError } = require('@berth/client');`],
  ])('works in %s', async (name, imports) => {
    const text = `${imports}
      const client = new BerthClient({ gateways: 'http://127.0.0.1:1', deadlineMs: 50 });
      client.get('x').catch((error) => console.log(error instanceof UnavailableError, error.code));
      const nothing = { gateways: 'http://127.0.0.1:1', node: 'n', deadlineMs: 50, sessions: () => [], onTerminate: () => {} };
      // The thread that beats is found, and finds no gateway.
      BerthNode.start(nothing).then((node) => node.close()).then((left) => console.log('closed', left));`;
    await writeFile(join(packed.app, name), text);
    expect((await run(process.execPath, [join(packed.app, name)])).stdout.split('\n').toSorted()).toEqual([
      '',
      'closed 0',
      'true unreachable',
    ]);
  });

  it('has types that a strict program of CommonJS and one of ES modules take', async () => {
    const text = `import { BerthClient, type AdmitOutcome } from '@berth/client';
      export async function ask(client: BerthClient): Promise<number> {
        const outcome: AdmitOutcome = await client.admit({ user: 'alice', sessionId: undefined });
        return outcome.mayStart ? 200 : outcome.sip.code;
      }`;
    const names = ['typed.mts', 'typed.cts'];
    for (const name of names) await writeFile(join(packed.app, name), text);
    const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--types', 'node'];
    const tsc = join(ROOT, 'node_modules/@typescript/native/bin/tsc');
    await run(process.execPath, [tsc, ...flags, ...names], { cwd: packed.app });
  });
});

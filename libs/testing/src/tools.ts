import { accessSync, constants, statSync, writeSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import type * as Jest from '@jest/globals';

/** How to get a tool, for the line that says that it is missing. */
const INSTALL: Record<string, string> = {
  sipp: 'apt-get install sip-tester',
  kamailio: 'apt-get install kamailio kamailio-utils-modules kamailio-extra-modules',
  'redis-server': 'apt-get install redis-server',
  python3: 'apt-get install python3 python3-grpcio',
  protoc: 'apt-get install protobuf-compiler',
  grpc_python_plugin: 'apt-get install protobuf-compiler-grpc',
};

// The globals that Jest sets: importing @jest/globals throws outside Jest, where `#testing` is used too.
declare const describe: typeof Jest.describe;
declare const it: typeof Jest.it;

/** The full path of an executable on the PATH (and in the sbin folders, where daemons live), or null. */
export function findTool(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, name);
    if (isExecutable(path)) return path;
  }
  return null;
}

/**
 * `describe` for tests that need tools of the system. Without one of them the tests are skipped with a line on stderr;
 * with `BERTH_TEST_ALL=1` they fail instead.
 */
export function describeWith(tools: readonly string[], title: string, body: () => void): void {
  const missing = tools.filter((tool) => findTool(tool) === null);
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  const reason = missing.map(explain).join('; ');
  if (process.env['BERTH_TEST_ALL'] === '1') {
    describe(title, () => {
      it(`needs ${missing.join(', ')}`, () => {
        throw new Error(`${reason} (BERTH_TEST_ALL=1 forbids skipping)`);
      });
    });
    return;
  }
  writeSync(2, `\nSKIPPED: ${title}: ${reason}\n\n`);
  describe(title, () => {
    it.skip(`needs ${missing.join(', ')}`, () => {});
  });
}

function explain(tool: string): string {
  const install = INSTALL[tool];
  return install === undefined ? `${tool} is not installed` : `${tool} is not installed; ${install}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

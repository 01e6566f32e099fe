// `npm run bench`: the figures of docs/performance.md, measured on this machine. `-- --json` prints one object a line; then
// nothing else goes to standard output.
import './lib/node-version.mjs';

import { installDependencies } from './install-dependencies.mjs';
import { findOrInstallRedis } from './install-redis.mjs';
import { buildIfStale } from './lib/build.mjs';
import { runNode } from './lib/run.mjs';

/** @type {{ output: import('./lib/run.mjs').Output, say: (line: string) => void }} */
const aside = { output: 'stderr', say: console.error };

try {
  await installDependencies(aside);
  await buildIfStale(aside);
  await findOrInstallRedis(aside);
  process.exitCode = await runNode(['dist/test/load/bench.js', ...process.argv.slice(2)]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

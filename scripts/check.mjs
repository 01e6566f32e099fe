// `npm run check`: what shows without running the code. Runs every check, and fails if one of them fails.
import './lib/node-version.mjs';

import { installDependencies } from './install-dependencies.mjs';
import { build } from './lib/build.mjs';
import { sourceFiles, wrongImports } from './lib/imports.mjs';
import { runNode } from './lib/run.mjs';

/** @param {string} project */
const types = (project) => runNode(['node_modules/@typescript/native/bin/tsc', '--noEmit', '-p', project]);

/** In this order: the last two look at what was built. */
const checks = {
  types: () => types('tsconfig.json'),
  'types of scripts': () => types('scripts/tsconfig.json'),
  'lint and import cycles': () => runNode(['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings']),
  'direction of imports': async () => {
    const problems = wrongImports(sourceFiles());
    for (const problem of problems) console.error(problem);
    return problems.length === 0 ? 0 : 1;
  },
  format: () => runNode(['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']),
  'gRPC services': () => runNode(['scripts/check/protos.mjs']),
  'lengths of files': () => runNode(['scripts/check/file-lengths.mjs']),
  build: async () => {
    await build();
    return 0;
  },
  'operations and routes': () => runNode(['scripts/check/operations.mjs']),
  'generated files': () => runNode(['scripts/check/generated-files.mjs']),
};

try {
  await installDependencies();
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    const startedAt = performance.now();
    const code = await check().catch((error) => {
      console.error(error.message);
      return 1;
    });
    if (code !== 0) failed.push(name);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  }
  const passed = Object.keys(checks).length - failed.length;
  console.log(['Checks:', `${passed} passed, ${failed.length} failed`, ...failed.map((name) => `(${name})`)].join(' '));
  process.exitCode = failed.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

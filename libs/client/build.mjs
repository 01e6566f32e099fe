// Builds the package: ES modules in dist/esm, CommonJS in dist/cjs. npm runs it before it packs.
import { execFileSync } from 'node:child_process';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const tsc = fileURLToPath(new URL('./bin/tsc', import.meta.resolve('@typescript/native/package.json')));

await rm(join(here, 'dist'), { recursive: true, force: true });
for (const project of ['tsconfig.json', 'tsconfig.cjs.json']) {
  // What npm prints when it packs is for programs to read.
  execFileSync(process.execPath, [tsc, '-p', join(here, project)], { stdio: ['ignore', 2, 2] });
}
await writeFile(join(here, 'dist/cjs/package.json'), '{ "type": "commonjs" }\n');
await copyFile(join(here, '../../LICENSE'), join(here, 'LICENSE'));

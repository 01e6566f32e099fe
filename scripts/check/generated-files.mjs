// Part of `npm run check`: the files that are written from the code are as the build would write them.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { GENERATED } from '../lib/generated.mjs';
import { root } from '../lib/paths.mjs';

for (const [command, files] of Object.entries(GENERATED)) {
  for (const { path, text } of await files()) {
    const committed = await readFile(join(root, path), 'utf8').catch(() => '');
    if (committed === text) continue;
    console.error(`${path} is not what the code says: ${command} writes it.`);
    process.exitCode = 1;
  }
}

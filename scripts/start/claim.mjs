import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isAlive, waitUntilGone } from './processes.mjs';

/**
 * Claims the data directory for this process by a file in it, so that two runs never share one Redis directory.
 * Throws if another run holds it. What a run that was killed left behind is waited for: its guard is ending it.
 *
 * Returns `record(facts)`, which adds to the claim, and `release()`.
 *
 * @param {string} dataDir
 * @param {string} shownDataDir
 */
export async function claim(dataDir, shownDataDir) {
  const file = join(dataDir, 'running.json');
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, JSON.stringify({ pid: process.pid }), { flag: 'wx' }).catch(async (error) => {
    if (error.code !== 'EEXIST') throw error;
    const other = await readFile(file, 'utf8')
      .then(JSON.parse)
      .catch(() => ({}));
    if (await isAlive(other.pid, 'start.mjs')) {
      throw new Error(
        `Berth runs already with ${shownDataDir} (process ${other.pid}${other.gateway ? `, ${other.gateway}` : ''}).\n` +
          'Stop it there with Ctrl-C, or set BERTH_DATA_DIR and the BERTH_*_PORT variables for a second one.',
      );
    }
    if (!(await waitUntilGone(other.redis, 'redis|valkey', 20_000))) {
      throw new Error(
        `A Redis of an earlier run still uses ${shownDataDir} (process ${other.redis}). Stop it: kill ${other.redis}`,
      );
    }
    await writeFile(file, JSON.stringify({ pid: process.pid }));
  });
  return {
    /** @param {object} facts */
    record: (facts) => writeFile(file, JSON.stringify({ pid: process.pid, ...facts })),
    release: () => rm(file, { force: true }),
  };
}

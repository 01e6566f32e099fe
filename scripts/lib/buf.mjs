import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { root } from './paths.mjs';

const BUF = 'node_modules/@bufbuild/buf/bin/buf';

/**
 * Runs buf in protos/ and resolves with what it wrote. Throws with its complaints.
 *
 * @param {string[]} args
 */
export async function buf(...args) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, BUF), ...args], {
      cwd: join(root, 'protos'),
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const complaints = `${error.stdout ?? ''}${error.stderr ?? ''}`.trimEnd() || error.message;
    throw new Error(`buf ${args[0]}: ${complaints}`, { cause: error });
  }
}

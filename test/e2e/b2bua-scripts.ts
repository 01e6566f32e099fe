import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { projectRoot, type Berth } from '#testing';

const FOLDER = join(projectRoot(), 'examples', 'b2bua');
/** The Python that Debian's python3-grpcio is for; another one may come first on the PATH. */
const DEBIANS = '/usr/bin/python3';

/** What the scripts of examples/b2bua need. */
export const NEEDED = ['redis-server', 'python3', 'grpc_python_plugin', 'protoc'];

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs Python in examples/b2bua, against this Berth; never throws for an exit code. */
export async function python(berth: Berth, words: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const { grpc } = berth.app('admission-gateway');
  const settings = {
    BERTH_GRPC: grpc,
    BERTH_ADMIN_URL: berth.app('limits-admin').url,
    PYTHONDONTWRITEBYTECODE: '1',
    ...env,
  };
  const options = { cwd: FOLDER, env: { PATH: process.env['PATH'], ...settings } };
  try {
    return { code: 0, ...(await promisify(execFile)(DEBIANS, [...words], options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ran;
    return { code, stdout, stderr };
  }
}

import { execFile } from 'node:child_process';
import { chmod, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { ManagedProcess } from '#testing';

const run = promisify(execFile);

/** A place for a database that can become full. `remove` leaves nothing of it. */
export interface SmallDisk {
  /** Nobody who writes there gets any further. */
  fill(): Promise<void>;
  free(): Promise<void>;
  /** The error of a write that does not fit: of a disk that is full, or only of a failed write. */
  readonly trouble: 'full' | 'io';
  /** Only while nobody has the database open. */
  setReadOnly(readOnly: boolean): Promise<void>;
  remove(): Promise<void>;
}

/**
 * A file system of its own, of 64 MiB, at `dir`; who may not mount one gets the other limit that a file can meet, on what the process
 * may write.
 */
export async function smallDisk(dir: string, writer: () => ManagedProcess): Promise<SmallDisk> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', dir]);
  } catch {
    return limitedProcess(dir, writer);
  }
  const filler = join(dir, 'filler');
  return {
    trouble: 'full',
    fill: () => fillUp(filler),
    free: () => rm(filler, { force: true }),
    setReadOnly: async (readOnly) => void (await run('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, dir])),
    remove: async () => void (await run('umount', ['--lazy', dir])),
  };
}

async function fillUp(path: string): Promise<void> {
  const file = await open(path, 'a');
  try {
    for (const bytes of [2 ** 20, 4_096]) await appendUntilFull(file, Buffer.alloc(bytes));
  } finally {
    await file.close();
  }
}

async function appendUntilFull(file: FileHandle, piece: Buffer): Promise<void> {
  try {
    for (;;) await file.appendFile(piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function limitedProcess(dir: string, writer: () => ManagedProcess): SmallDisk {
  const limit = async (bytes: string) => {
    await run('prlimit', ['--pid', String(writer().pid), `--fsize=${bytes}:`]);
  };
  return {
    trouble: 'io',
    fill: () => limit('4096'),
    free: () => limit('unlimited'),
    async setReadOnly(readOnly) {
      for (const name of await readdir(dir)) await chmod(join(dir, name), readOnly ? 0o400 : 0o600);
      await chmod(dir, readOnly ? 0o500 : 0o700);
    },
    remove: () => chmod(dir, 0o700),
  };
}

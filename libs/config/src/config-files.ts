import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

/** By absolute path: what was found there, as a hash of its bytes or the code of the error. */
export type Digests = ReadonlyMap<string, string>;

/** The files that a configuration consists of: reads them, and remembers which and what was in them. */
export class ConfigFiles {
  private readonly found = new Map<string, string>();

  constructor(private readonly cwd: string) {}

  get digests(): Digests {
    return this.found;
  }

  /** Throws what the file system says. */
  read(path: string): string {
    const file = resolve(this.cwd, path);
    try {
      const bytes = readFileSync(file);
      this.found.set(file, digestOf(bytes));
      return bytes.toString('utf8');
    } catch (error) {
      this.found.set(file, codeOf(error));
      throw error;
    }
  }

  /** The text of a PEM file; null, with a problem under `setting`, where it cannot be read. */
  readPem(path: string, setting: string, problems: string[]): string | null {
    try {
      return this.read(path);
    } catch (error) {
      problems.push(`${setting}: found "${path}", which cannot be read (${codeOf(error)})`);
      return null;
    }
  }
}

/** What is in the files now, whatever links and renames brought it there. */
export async function digestsNow(paths: Iterable<string>): Promise<Digests> {
  const found = [...paths].map(async (path) => [path, await readFile(path).then(digestOf, codeOf)] as const);
  return new Map(await Promise.all(found));
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}

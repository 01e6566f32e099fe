import { open, readFile, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { BerthError } from '../errors.js';
import type { Fact } from '../facts.js';

type Line = { n: number; fact: Fact } | { done: number[] };

interface Write {
  line: Line;
  resolve: () => void;
  reject: (error: BerthError) => void;
}

/**
 * A file to which each fact is appended before it counts as kept, and after it when it has been delivered. The next run reads what is left.
 *
 * A line is on the disk before `append` resolves (fdatasync); lines that come together are written together.
 */
export class Journal {
  private readonly waiting: Write[] = [];
  private readonly left: Set<number>;
  private writing: Promise<void> | null = null;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    left: Iterable<number>,
  ) {
    this.left = new Set(left);
  }

  /** Opens the journal, with what earlier runs could not deliver. Throws BerthError, code `journal-unwritable`. */
  static async open(path: string): Promise<{ journal: Journal; facts: Fact[] }> {
    try {
      const facts = await readLeft(path);
      // Written anew: what was delivered goes, and that the folder can be written to is known now, not when it matters.
      const draft = `${path}.new`;
      const numbered = facts.map((fact, at) => ({ n: at + 1, fact }));
      const written = await open(draft, 'w', 0o600);
      await written.writeFile(numbered.map(textOf).join(''));
      await written.sync();
      await written.close();
      await rename(draft, path);
      await syncFolder(path);
      const file = await open(path, 'a');
      return {
        journal: new Journal(
          path,
          file,
          numbered.map(({ n }) => n),
        ),
        facts,
      };
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  /** Resolves when the fact is on the disk; throws BerthError, code `journal-unwritable`. */
  append(n: number, fact: Fact): Promise<void> {
    this.left.add(n);
    return this.write({ n, fact });
  }

  /** These are delivered. A line that is lost costs a second delivery, which changes nothing: nobody waits for it. */
  delivered(done: number[]): void {
    for (const n of done) this.left.delete(n);
    void this.write({ done }).catch(() => {});
  }

  async close(): Promise<void> {
    await this.writing;
    if (this.file.fd !== -1) await this.file.close();
  }

  private write(line: Line): Promise<void> {
    const written = new Promise<void>((resolve, reject) => this.waiting.push({ line, resolve, reject }));
    this.writing ??= this.writeAll().finally(() => (this.writing = null));
    return written;
  }

  private async writeAll(): Promise<void> {
    // What is asked for in the same turn goes in one write.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0);
      try {
        if (this.left.size === 0) await this.file.truncate(0);
        // A line that a full disk cut short must not swallow the next one.
        else await this.file.appendFile(`\n${batch.map(({ line }) => textOf(line)).join('')}`);
        await this.file.datasync();
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(unwritable(this.path, error));
      }
    }
  }
}

function textOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

/** What is not delivered, oldest first. A line that cannot be read is one that was being written when its run died: nobody was answered for it. */
async function readLeft(path: string): Promise<Fact[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const left = new Map<number, Fact>();
  for (const line of text.split('\n')) {
    const read = parse(line);
    if (read === null) continue;
    if ('fact' in read) left.set(read.n, read.fact);
    else for (const n of read.done) left.delete(n);
  }
  return [...left.values()];
}

function parse(line: string): Line | null {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return null;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unwritable(path: string, cause: unknown): BerthError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new BerthError('journal-unwritable', `The journal ${path} cannot be written: ${why}`, null, { cause });
}

import { createHash } from 'node:crypto';

import type { Logger } from '#service-kit';
import type { ExportChunk } from '#session-history';

/** The same chunks, once the first with rows is there, or it is known that there is none. Throws what reading that throws. */
export async function begun(chunks: AsyncGenerator<ExportChunk>): Promise<AsyncGenerator<ExportChunk>> {
  const first: ExportChunk[] = [];
  while (!first.at(-1)?.rows) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    first.push(value);
  }
  return (async function* () {
    yield* first;
    yield* chunks;
  })();
}

export interface ExportTextOptions {
  chunks: AsyncGenerator<ExportChunk>;
  /** What stands behind the last row. */
  lastLine: (rows: number) => string;
  logger: Logger;
}

/** The text of an export, how many rows of it were read so far, and their digest. */
export class ExportText implements AsyncIterable<string> {
  rows = 0;
  private readonly hash = createHash('sha256');

  constructor(private readonly options: ExportTextOptions) {}

  /** Of all that was read, as a field `Content-Digest` has it (RFC 9530). */
  get digest(): string {
    return `sha-256=:${this.hash.copy().digest('base64')}:`;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    const { chunks, lastLine, logger } = this.options;
    try {
      for await (const { text, rows } of chunks) {
        this.rows += rows;
        yield this.counted(text);
      }
    } catch (error) {
      logger.warn({ err: error, rows: this.rows }, 'An export of history broke off');
      throw error;
    }
    const last = lastLine(this.rows);
    if (last !== '') yield this.counted(last);
  }

  private counted(text: string): string {
    this.hash.update(text);
    return text;
  }
}

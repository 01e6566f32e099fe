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

/** The text of an export, and how many rows of it were read so far. */
export class CountedText implements AsyncIterable<string> {
  rows = 0;

  constructor(
    private readonly chunks: AsyncGenerator<ExportChunk>,
    private readonly logger: Logger,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    try {
      for await (const { text, rows } of this.chunks) {
        this.rows += rows;
        yield text;
      }
    } catch (error) {
      this.logger.warn({ err: error, rows: this.rows }, 'An export of history broke off');
      throw error;
    }
  }
}

import type Libsql from 'libsql';
import Promised from 'libsql/promise';

/**
 * Rows written, those of sums included, after which the log is written back: about 25 batches of 100 sessions, 50 MB. A page that many of them
 * changed is written back once: at half as many rows a session wrote 43 kB and not 39.
 */
const ROWS = 10_000;
const PASSIVE = 'pragma wal_checkpoint(passive)';

/**
 * Writes the log of a SQLite file back into it, on a thread of its own: done by the writer, one batch in twenty would take three times as long.
 *
 * The log begins anew when all of it is written back. What was added meanwhile is little, and the writer writes it back itself. Should this
 * fall behind or fail, the writer does it all (`wal_autocheckpoint`), and tells what is wrong.
 */
export class Checkpoints {
  private background: InstanceType<typeof Promised> | null = null;
  private running: Promise<void> | null = null;
  private doneAt = 0;

  constructor(
    private readonly path: string,
    private readonly writer: Libsql.Database,
  ) {}

  /** To be called after a transaction that has written `rows` since the file was opened. */
  after(rows: number): void {
    if (this.running !== null || rows - this.doneAt < ROWS) return;
    this.doneAt = rows;
    this.running = this.run().finally(() => (this.running = null));
  }

  async close(): Promise<void> {
    await this.running;
    this.background?.close();
  }

  private async run(): Promise<void> {
    try {
      this.background ??= new Promised(this.path, {});
      await this.background.exec(PASSIVE);
      await this.background.exec(PASSIVE); // what came during the first
      if (this.writer.open && !this.writer.inTransaction) this.writer.exec(PASSIVE);
    } catch {
      // the log stays as it is, and is whole
    }
  }
}

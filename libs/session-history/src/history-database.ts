import { historyAddress } from './address.js';
import { breath } from './breath.js';
import { historyError } from './errors.js';
import { exportRevisions, exportRows, type ExportChunk, type ExportFormat, type Revisions } from './export/export.js';
import type { HistoryEvent } from './model/event.js';
import { newLineage } from './model/lineage.js';
import { timeText } from './model/row.js';
import { openStore } from './open-store.js';
import { extentOf, type Extent } from './read/extent.js';
import type { HistoryFilter } from './read/filter.js';
import { gapsWithin, type Gap, type Span } from './read/gaps.js';
import { historyPage, violationPage, type HistoryPage, type HistoryQuery, type ViolationPage } from './read/history.js';
import { highestPeaks, hourPeaks, type HourPeak, type PeakOf } from './read/peaks.js';
import { statsSince, type Stats } from './read/stats.js';
import { hourlyTraffic, type HourTraffic } from './read/traffic.js';
import type { LineageRow, Store } from './store/store.js';
import { applyEvents } from './write/apply.js';
import { beginErasure, erase, finishErasure, unfinishedErasures } from './write/erase.js';
import type { Erased, Erasure, ErasureRequest } from './write/erase.js';
import { removeGaps } from './write/gaps.js';
import type { RowChange } from './write/ledger.js';
import { closeOver, removeBeyond, removeEmptySums, removeOlder } from './write/retention.js';

export interface HistoryOptions {
  /** See `historyAddress`. */
  url: string;
  /** Look a SQLite file through whatever its size: the database was found damaged. False by default. */
  suspect?: boolean;
  /** What SQLite keeps beside the file was removed while it was open in this process. False by default. */
  lostLog?: boolean;
  /** How many rows memory holds; the oldest go. 100,000 by default. */
  memoryRows?: number;
}

const MEMORY_ROWS = 100_000;

/**
 * Who had sessions, when, for how long, why they ended, who was refused and why. One writer at a time; any number of readers.
 *
 * Every method throws HistoryUnavailableError where the database cannot serve, and can then be called again; input that can never be right is
 * an InvalidInputError with its path.
 */
export class HistoryDatabase {
  private constructor(
    private readonly store: Store,
    /** The SQLite file; null for PostgreSQL and memory. */
    readonly path: string | null,
    /** Where a damaged file was moved to, in whose place a new one was begun; null if there was none. */
    readonly setAside: string | null,
    private readonly memoryRows: number,
  ) {}

  /** Opens the database and brings it to the present shape; a damaged SQLite file is set aside and a new one begun. */
  static async open({ url, suspect, lostLog, memoryRows = MEMORY_ROWS }: HistoryOptions): Promise<HistoryDatabase> {
    const address = historyAddress(url);
    const { store, setAside } = await openStore(address, { suspect, lostLog });
    return new HistoryDatabase(store, address.kind === 'sqlite' ? address.path : null, setAside, memoryRows);
  }

  get kind(): Store['kind'] {
    return this.store.kind;
  }

  /**
   * Applies events in one transaction. Any order, any split into batches, any repetition of the same events ends in the same rows and sums.
   * Returns how rows changed, for whatever is to be counted once.
   */
  async apply(events: readonly HistoryEvent[]): Promise<RowChange[]> {
    const changes = await applyEvents(this.store, events);
    if (this.kind === 'memory' && changes.some(({ before }) => before === null)) {
      await removeBeyond(this.store, this.memoryRows);
    }
    return changes;
  }

  /** Statistics of what started since then, exactly. */
  async stats(tenant: string, sinceMs: number): Promise<Stats> {
    return await statsSince(this.store, tenant, sinceMs);
  }

  async history(tenant: string, query: HistoryQuery = {}): Promise<HistoryPage> {
    return await historyPage(this.store, tenant, query);
  }

  async violations(tenant: string, query: Parameters<typeof violationPage>[2] = {}): Promise<ViolationPage> {
    return await violationPage(this.store, tenant, query);
  }

  /** Each hour's peak from the hour that `sinceMs` is in; see `hourPeaks`. */
  async peaks(tenant: string, of: PeakOf, sinceMs: number, nowMs = Date.now()): Promise<HourPeak[]> {
    return await this.store.read((db) => hourPeaks(db, tenant, of, sinceMs, nowMs));
  }

  /** The users or groups with the highest peaks since the day that `sinceMs` is in. */
  async highestPeaks(
    tenant: string,
    of: { scope: 'user' | 'group'; count: number },
    sinceMs: number,
    nowMs = Date.now(),
  ): Promise<{ name: string; peak: number }[]> {
    // Not of one moment: it looks at each day by itself, and lets others work in between.
    try {
      return await highestPeaks(this.store.db, tenant, of, sinceMs, nowMs);
    } catch (error) {
      throw historyError(error);
    }
  }

  /** The times within that span from which events are missing, since nobody read them before they had to go. */
  async gaps(tenant: string, span: Span = {}): Promise<Gap[]> {
    return await this.store.read((db) => gapsWithin(db, tenant, span));
  }

  /** Traffic by the hour in which sessions started. */
  async traffic(tenant: string, of: { sinceMs: number; user?: string | undefined }): Promise<HourTraffic[]> {
    return await hourlyTraffic(this.store, tenant, of);
  }

  /** All rows of a filter as text, piece by piece; stop reading and it stops. */
  export(tenant: string, filter: HistoryFilter, format: ExportFormat): AsyncGenerator<ExportChunk> {
    return exportRows(this.store, tenant, filter, format);
  }

  /** The rows of a filter that are over, as `export`; in the order of their last change. */
  exportRevisions(
    tenant: string,
    filter: HistoryFilter,
    format: ExportFormat,
    revisions: Revisions,
  ): AsyncGenerator<ExportChunk> {
    return exportRevisions(this.store, tenant, filter, format, revisions);
  }

  /** The highest revision so far: all that this database was given before is at it or below. Those of another lineage are other numbers. */
  async lineage(): Promise<LineageRow> {
    return await this.store.read(async (db) => await db.selectFrom('lineage').selectAll().executeTakeFirstOrThrow());
  }

  /** To be called where this database has less than was read from it before: exports that continue by revisions have to begin again. */
  async renewLineage(): Promise<void> {
    await this.store.write(async (db) => await db.updateTable('lineage').set({ id: newLineage() }).execute());
  }

  /**
   * Removes sessions that have ended and refusals that began before `cutoffMs`, of all tenants, and their sums. In batches of about 20 ms, between
   * which others work; `signal` stops it after one. Returns how many rows went.
   */
  async removeOlderThan(cutoffMs: number, signal?: AbortSignal): Promise<number> {
    const goesOn = () => signal === undefined || !signal.aborted;
    await this.store.write(async (db) => await removeGaps(db, timeText(cutoffMs)));
    let removed = 0;
    for (let more = true; more && goesOn();) {
      const step = await removeOlder(this.store, timeText(cutoffMs));
      removed += step.rows;
      more = step.more;
      await breath();
    }
    while (goesOn() && (await closeOver(this.store))) await breath();
    let after: Awaited<ReturnType<typeof removeEmptySums>> = null;
    do {
      if (!goesOn()) return removed;
      after = await removeEmptySums(this.store, cutoffMs, after);
      await breath();
    } while (after !== null);
    return removed;
  }

  /** Remembers, until it is finished, that a person's history is to be erased; null where there is none. Asked for again before that, it is the same erasure. */
  async beginErasure(asked: ErasureRequest): Promise<Erasure | null> {
    return await beginErasure(this.store, asked);
  }

  /** Those that were begun and are not finished. */
  async unfinishedErasures(): Promise<Erasure[]> {
    return await unfinishedErasures(this.store);
  }

  /**
   * Erases the rows of a person and its sums, in batches of about 20 ms between which others work; `signal` stops it after one. What was done
   * stays done, and doing it again does the rest. Returns how many rows it erased.
   */
  async erase(erasure: Erasure, signal: AbortSignal): Promise<Erased> {
    return await erase(this.store, erasure, signal);
  }

  /** The name is nowhere any more: forgets it here too, and leaves nothing of it in the files of SQLite. */
  async finishErasure(erasure: Erasure): Promise<void> {
    await finishErasure(this.store, erasure);
  }

  /** Throws HistoryUnavailableError where the database does not answer, `replaced` where it is another one than was opened, or none. */
  async mustBeKept(): Promise<void> {
    await this.store.mustBeKept();
  }

  /** True where only what SQLite keeps beside the file is gone: all that was written is written back into the file when this is closed. */
  get hasLostLog(): boolean {
    return this.store.change === 'log';
  }

  /** What there is of a tenant, also in a SQLite file that is open and gone from its place. */
  async extent(tenant: string): Promise<Extent> {
    try {
      return await extentOf(this.store.db, tenant);
    } catch (error) {
      throw historyError(error);
    }
  }

  /** Whether the database answers, and takes writes. Throws HistoryUnavailableError. */
  async check(): Promise<void> {
    try {
      await this.store.write(async (db) => {
        await db.deleteFrom('rollups').where('tenant', '=', '').where('scope', '=', '').execute();
      });
    } catch (error) {
      throw historyError(error);
    }
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}

import { DAY, dayOf, EVER, HOUR, hourOf, type Span } from '../model/buckets.js';
import { contributionsOf, type Measures, type Scope } from '../model/contributions.js';
import type { HistoryEvent, Level } from '../model/event.js';
import { versionOf } from '../model/merge.js';
import { timeText, type SessionRow } from '../model/row.js';
import type { RollupRow } from '../store/store.js';
import type { RowChange } from './ledger.js';

/** Scopes that have a list of the most: what it is ordered by, and that they are summed over all time as well. */
const RANKS: Partial<Record<Scope, (measures: Measures) => number>> = {
  user: ({ bytes_sent, bytes_received }) => bytes_sent + bytes_received,
  destination: ({ sessions }) => sessions,
};

/**
 * What a batch adds to the sums: for each row what it adds now less what it added before. So the sums are always those of the rows, and a
 * batch that comes again, which changes no row, adds nothing. Levels are merged by maximum and by the newest: repeats change nothing.
 */
export class RollupChanges {
  private readonly rows = new Map<string, Rollup>();

  addRows(changes: readonly RowChange[]): void {
    for (const { before, after } of changes) {
      if (before) this.addRow(before, -1);
      if (after) this.addRow(after, 1);
    }
  }

  addLevels({ tenant, atMs, position, levels }: HistoryEvent): void {
    const at = timeText(atMs);
    for (const level of levels) {
      const scope: Scope = level.scope === 'total' ? 'shard' : level.scope;
      this.level(this.at(tenant, scope, level.name, HOUR, hourOf(at)), level, versionOf(position));
      const day = this.at(tenant, scope, level.name, DAY, dayOf(at));
      day.peak = Math.max(day.peak, level.peak);
    }
  }

  /** Those that change anything, in the order of the key. */
  all(): RollupRow[] {
    const keys = [...this.rows.keys()].toSorted();
    return keys.flatMap((key) => {
      const row = this.rows.get(key);
      return row?.changes ? [row] : [];
    });
  }

  private addRow(row: SessionRow, sign: 1 | -1): void {
    const hour = hourOf(row.start_time);
    const day = dayOf(row.start_time);
    for (const { scope, name, measures } of contributionsOf(row)) {
      const rank = RANKS[scope];
      const ranked = rank ? rank(measures) : 0;
      this.at(row.tenant, scope, name, HOUR, hour).add(measures, sign, ranked);
      this.at(row.tenant, scope, name, DAY, day).add(measures, sign, ranked);
      if (rank) this.at(row.tenant, scope, name, EVER, '').add(measures, sign, ranked);
    }
  }

  private level(row: Rollup, { active, peak }: Level, version: string): void {
    row.peak = Math.max(row.peak, peak);
    if (row.active_version !== null && row.active_version > version) return;
    row.active = active;
    row.active_version = version;
  }

  private at(tenant: string, scope: Scope, name: string, span: Span, bucket: string): Rollup {
    const key = `${tenant}\n${scope}\n${name}\n${span}\n${bucket}`;
    let row = this.rows.get(key);
    if (!row) this.rows.set(key, (row = new Rollup(tenant, scope, name, span, bucket)));
    return row;
  }
}

/** A class, since an object that is put together of others costs ten times as much, and a batch makes hundreds. */
class Rollup implements RollupRow {
  entries = 0;
  sessions = 0;
  ended = 0;
  bytes_sent = 0;
  bytes_received = 0;
  duration_secs = 0;
  refusals = 0;
  rank: number | null;
  peak = 0;
  active: number | null = null;
  active_version: string | null = null;

  constructor(
    readonly tenant: string,
    readonly scope: Scope,
    readonly name: string,
    readonly span: Span,
    readonly bucket: string,
  ) {
    this.rank = span !== HOUR && scope in RANKS ? 0 : null;
  }

  add(measures: Measures, sign: 1 | -1, rank: number): void {
    this.entries += sign * measures.entries;
    this.sessions += sign * measures.sessions;
    this.ended += sign * measures.ended;
    this.bytes_sent += sign * measures.bytes_sent;
    this.bytes_received += sign * measures.bytes_received;
    this.duration_secs += sign * measures.duration_secs;
    this.refusals += sign * measures.refusals;
    if (this.rank !== null) this.rank += sign * rank;
  }

  get changes(): boolean {
    const { entries, sessions, ended, bytes_sent, bytes_received, duration_secs, refusals, peak } = this;
    const any = entries || sessions || ended || bytes_sent || bytes_received || duration_secs || refusals || peak;
    return Boolean(any) || this.active_version !== null;
  }
}

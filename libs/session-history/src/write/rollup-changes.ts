import { hourAt, hourOf } from '../model/buckets.js';
import { contributionsOf, type Measures, type Scope } from '../model/contributions.js';
import type { HistoryEvent, Level } from '../model/event.js';
import { versionOf } from '../model/merge.js';
import type { SessionRow } from '../model/row.js';
import type { RowChange } from './ledger.js';

/**
 * What a batch adds to the sums: for each row what it adds now less what it added before. So the sums are always those of the rows, and a
 * batch that comes again, which changes no row, adds nothing. Levels are merged by maximum and by the newest: repeats change nothing.
 */
export class RollupChanges {
  private readonly hours = new Map<string, Map<string, RollupChange>>();

  addRows(changes: readonly RowChange[]): void {
    for (const { before, after } of changes) {
      if (before) this.addRow(before, -1);
      if (after) this.addRow(after, 1);
    }
  }

  addLevels({ tenant, atMs, position, levels }: HistoryEvent): void {
    if (levels.length === 0) return;
    const hour = hourAt(atMs);
    const version = versionOf(position);
    for (const level of levels) {
      this.at(hour, tenant, level.scope === 'total' ? 'shard' : level.scope, level.name).see(level, version);
    }
  }

  /** Hour by hour those that change anything, in the order of the key. */
  *byHour(): Generator<[hour: string, changes: RollupChange[]]> {
    for (const [hour, ofHour] of this.hours) {
      const changes = [...ofHour.keys()].toSorted().map((key) => ofHour.get(key) as RollupChange);
      const real = changes.filter((change) => change.isAny);
      if (real.length > 0) yield [hour, real];
    }
  }

  private addRow(row: SessionRow, sign: 1 | -1): void {
    const hour = hourOf(row.start_time);
    for (const { scope, name, measures } of contributionsOf(row)) {
      this.at(hour, row.tenant, scope, name).add(measures, sign);
    }
  }

  private at(hour: string, tenant: string, scope: Scope, name: string): RollupChange {
    let ofHour = this.hours.get(hour);
    if (!ofHour) this.hours.set(hour, (ofHour = new Map()));
    const key = `${tenant}\n${scope}\n${name}`;
    let change = ofHour.get(key);
    if (!change) ofHour.set(key, (change = new RollupChange(tenant, scope, name)));
    return change;
  }
}

/** What is added to one name in an hour, and so to its day and to all time; and the levels that were seen. */
export class RollupChange implements Measures {
  entries = 0;
  sessions = 0;
  ended = 0;
  bytes_sent = 0;
  bytes_received = 0;
  duration_secs = 0;
  refusals = 0;
  peak = 0;
  active: number | null = null;
  active_version: string | null = null;

  constructor(
    readonly tenant: string,
    readonly scope: Scope,
    readonly name: string,
  ) {}

  add(measures: Measures, sign: 1 | -1): void {
    this.entries += sign * measures.entries;
    this.sessions += sign * measures.sessions;
    this.ended += sign * measures.ended;
    this.bytes_sent += sign * measures.bytes_sent;
    this.bytes_received += sign * measures.bytes_received;
    this.duration_secs += sign * measures.duration_secs;
    this.refusals += sign * measures.refusals;
  }

  see({ active, peak }: Level, version: string): void {
    this.peak = Math.max(this.peak, peak);
    if (this.active_version !== null && this.active_version > version) return;
    this.active = active;
    this.active_version = version;
  }

  get isAny(): boolean {
    const { entries, sessions, ended, bytes_sent, bytes_received, duration_secs, refusals, peak } = this;
    const any = entries || sessions || ended || bytes_sent || bytes_received || duration_secs || refusals || peak;
    return Boolean(any) || this.active_version !== null;
  }
}

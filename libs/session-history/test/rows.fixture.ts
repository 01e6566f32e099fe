import type { HistoryDatabase, HistoryQuery, SessionRow } from '../src/index.js';

/** Every row that a query lets through, page by page. */
export async function allRows(
  database: HistoryDatabase,
  tenant: string,
  query: HistoryQuery = {},
): Promise<SessionRow[]> {
  const rows: SessionRow[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await database.history(tenant, { pageSize: 1_000, ...query, cursor });
    rows.push(...page.rows);
    if (page.nextCursor === null) return rows;
    cursor = page.nextCursor;
  }
}

/**
 * The rows with 1 for each revision: which number it is hangs on the batches. So does whether a session that lives has one: it does where it was
 * over between two of them, and may have been exported so.
 */
export function unnumbered(rows: readonly SessionRow[]): SessionRow[] {
  return rows.map((row) => ({ ...row, revision: row.revision === null || row.status === 'active' ? null : 1 }));
}

const SUMS = ['entries', 'sessions', 'ended', 'bytes_sent', 'bytes_received', 'duration_secs', 'refusals', 'rank'];

/** The rows of the table `rollups` as they are when every hour is closed: when that happens hangs on the batches. What is empty is left out. */
export function closed(rollups: readonly object[]): Record<string, unknown>[] {
  const all = new Map<string, Record<string, unknown>>();
  const at = (row: Record<string, unknown>, span: unknown, bucket: unknown) => {
    const { tenant, scope, name } = row;
    const key = JSON.stringify([tenant, scope, name, span, bucket]);
    const into = all.get(key) ?? { tenant, scope, name, span, bucket, peak: 0, active: null, active_version: null };
    all.set(key, into);
    return into;
  };
  for (const row of rollups as Record<string, unknown>[]) {
    const { span, bucket, rank, active } = row;
    const isOpen = span === 1 && rank !== null;
    const buckets = isOpen
      ? [
          [1, bucket],
          [24, String(bucket).slice(0, 10)],
          [0, ''],
        ]
      : [[span, bucket]];
    for (const [intoSpan, intoBucket] of buckets) {
      const into = at(row, intoSpan, intoBucket);
      for (const name of SUMS) into[name] = Number(into[name] ?? 0) + Number(row[name]);
      if (intoSpan !== 0) into['peak'] = Math.max(Number(into['peak']), Number(row['peak']));
      if (intoSpan !== 1) continue;
      into['rank'] = null;
      if (active !== null) Object.assign(into, { active: Number(active), active_version: row['active_version'] });
    }
  }
  const some = [...all].filter(([, { entries, peak }]) => entries || peak);
  return some.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

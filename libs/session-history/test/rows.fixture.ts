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

import type { HistoryFilter } from '../src/index.js';

export const START = Date.UTC(2026, 10, 20, 12);

/** One filter for each column that has an index, and some of several. */
export const FILTERS: HistoryFilter[] = [
  { sessionId: 'call-7@pc' },
  { correlationId: '=1+1' },
  { user: 'alice' },
  { sourceIp: '192.0.2.1' },
  { group: 'trunk:west' },
  { destIp: 'example.com' },
  { node: 'n1' },
  { status: 'closed' },
  { sinceMs: START, untilMs: START + 3_600_000 },
  { group: 'trunk:west', status: 'closed' },
  { node: 'n1', group: 'site:a', untilMs: START },
];

import type { SessionRow } from '../src/index.js';

/** Statistics by adding up all rows, with no index, bucket or list. */
export function plainStats(rows: readonly SessionRow[], tenant: string, sinceMs: number) {
  const since = new Date(sinceMs).toISOString();
  const mine = rows.filter((row) => row.tenant === tenant);
  const inWindow = mine.filter((row) => row.start_time >= since);
  const sessions = inWindow.filter(isSession);
  const refused = inWindow.filter((row) => row.refusals > 0);
  const ended = sessions.filter((row) => row.end_time !== null);
  const users = grouped(
    sessions.filter(({ user }) => user !== ''),
    ({ user }) => user,
  );
  const destinations = grouped(
    sessions.filter(({ dest_ip }) => dest_ip !== ''),
    ({ dest_ip, dest_port }) => `${dest_ip.includes(':') ? `[${dest_ip}]` : dest_ip}:${dest_port}`,
  );
  const seconds = sum(ended, ({ duration_secs }) => duration_secs ?? 0);
  return {
    activeSessions: mine.filter(({ status }) => status === 'active').length,
    totalSessions: sessions.length,
    endedSessions: ended.length,
    bytesSent: sum(sessions, (row) => row.bytes_sent),
    bytesReceived: sum(sessions, (row) => row.bytes_received),
    averageDurationSecs: ended.length === 0 ? null : seconds / ended.length,
    topUsers: [...users]
      .map(([user, of]) => ({
        user,
        sessions: of.length,
        bytes: sum(of, (row) => row.bytes_sent + row.bytes_received),
      }))
      .toSorted((a, b) => b.bytes - a.bytes || b.sessions - a.sessions || (a.user < b.user ? -1 : 1))
      .slice(0, 10),
    topDestinations: [...destinations]
      .map(([dest, of]) => ({ dest, sessions: of.length }))
      .toSorted((a, b) => b.sessions - a.sessions || (a.dest < b.dest ? -1 : 1))
      .slice(0, 10),
    endedByReason: counts(
      ended,
      (row) => row.close_reason ?? '',
      () => 1,
    ),
    refusals: sum(refused, (row) => row.refusals),
    refusalsBy: counts(
      refused,
      (row) => row.refused_by,
      (row) => row.refusals,
    ),
  };
}

/** Neither a refusal nor an earlier leg of a chain of transfers. */
export const isSession = (row: SessionRow): boolean => row.refusals === 0 && row.close_reason !== 'transferred';

export function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0);
}

function grouped(rows: readonly SessionRow[], by: (row: SessionRow) => string): Map<string, SessionRow[]> {
  const groups = new Map<string, SessionRow[]>();
  for (const row of rows) groups.set(by(row), [...(groups.get(by(row)) ?? []), row]);
  return groups;
}

function counts(rows: readonly SessionRow[], by: (row: SessionRow) => string, of: (row: SessionRow) => number) {
  return Object.fromEntries([...grouped(rows, by)].map(([name, some]) => [name, sum(some, of)]));
}

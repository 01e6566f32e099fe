import { BerthError } from '#session-core';

/** Why the database cannot do what it is asked; a closed set, fit for metrics and health. */
export type UnavailableReason = 'away' | 'busy' | 'full' | 'read-only' | 'io' | 'damaged' | 'replaced';

/**
 * The history's database cannot serve just now. Nothing of the call was done: its transaction was rolled back, and the same call may be
 * repeated. Only `damaged` and `replaced` (another database than the one that was opened, or none) do not mend by waiting: opened again as suspect, a
 * damaged SQLite file is set aside, and what stands in the place of a replaced database is used.
 */
export class HistoryUnavailableError extends BerthError {
  readonly code = 'history-unavailable';

  constructor(
    readonly reason: UnavailableReason,
    options: { cause: unknown },
  ) {
    super(`The history database is unavailable (${reason}): ${wordsOf(options.cause)}`, options);
  }
}

/** A history file was not copied, looked through or put back; the message says why and what to do. */
export class BackupError extends BerthError {
  readonly code = 'history-backup';
}

const OF_SQLITE: readonly (readonly [RegExp, UnavailableReason])[] = [
  [/^SQLITE_FULL/, 'full'],
  [/^SQLITE_READONLY/, 'read-only'],
  [/^SQLITE_(BUSY|LOCKED)/, 'busy'],
  [/^SQLITE_(CORRUPT|NOTADB)/, 'damaged'],
  [/^SQLITE_(IOERR|CANTOPEN|NOLFS)/, 'io'],
];

/** By SQLSTATE, or by the code of a socket. */
const OF_POSTGRES: readonly (readonly [RegExp, UnavailableReason])[] = [
  [/^53100$/, 'full'],
  [/^25006$/, 'read-only'],
  [/^(55P03|57014|40001|40P01)$/, 'busy'],
  [/^XX00[12]$/, 'damaged'],
  [/^58/, 'io'],
  [/^42P01$/, 'replaced'],
  [/^(08|53|57P|28|3D)/, 'away'],
  [/^E(CONN|HOST|NET|PIPE|TIMEDOUT|AI_AGAIN|NOTFOUND)/, 'away'],
];

/** What pg says in words alone when a connection ends, or none can be had. */
const LOST_CONNECTION =
  /connection (terminated|ended)|timeout (exceeded|expired)|read timeout|not queryable|unable to open connection|database connection is not open|already been destroyed/i;

/** What a driver threw, as HistoryUnavailableError where it is the database's state; anything else stays as it is. */
export function historyError(error: unknown): unknown {
  const { code = '', message = '' } = (error ?? {}) as { code?: unknown; message?: unknown };
  const word = String(code);
  const known = [...OF_SQLITE, ...OF_POSTGRES].find(([pattern]) => pattern.test(word));
  if (known) return new HistoryUnavailableError(known[1], { cause: error });
  if (LOST_CONNECTION.test(String(message))) {
    return new HistoryUnavailableError(/local database/.test(String(message)) ? 'io' : 'away', { cause: error });
  }
  return error;
}

function wordsOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(String).join('; ');
  return cause instanceof Error ? cause.message : String(cause);
}

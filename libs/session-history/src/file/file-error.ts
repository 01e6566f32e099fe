import { BackupError, historyError } from '../errors.js';

/** Whether a driver says that a file is damaged, or no history at all. */
export function isDamage(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return /^SQLITE_(CORRUPT|NOTADB)/.test(String(code)) || String(message).startsWith('no such table');
}

/** What a driver or the file system threw, typed: BackupError where it is the file system, else as `historyError`. */
export function fileError(error: unknown): unknown {
  return error instanceof Error && 'syscall' in error
    ? new BackupError(error.message, { cause: error })
    : historyError(error);
}

/** As `fileError`; of damage it says which file is damaged, and what to do. */
export function orDamaged(error: unknown, path: string, advice: string): unknown {
  if (!isDamage(error)) return fileError(error);
  const found = (error as Error).message.replaceAll(/\s+/g, ' '); // the driver's may have several lines
  return new BackupError(`${path} is no whole history database (${found}): ${advice}`, { cause: error });
}

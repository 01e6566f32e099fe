import { DAY_MS, HOUR_MS, MINUTE_MS } from '#basics';

const UNIT_MS = { ms: 1, s: 1_000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS } as const;

/** Ten years: longer than any session, and far below the largest number that Redis keeps exactly as a score. */
export const MAX_DURATION_MS = 3_650 * UNIT_MS.d;

/** Milliseconds of a duration written as seconds (`90`, `"90"`) or with a unit (`500ms`, `15m`, `2h`, `7d`); null if it is neither. */
export function parseDurationMs(written: unknown): number | null {
  if (typeof written === 'number') return Number.isFinite(written) ? Math.round(written * UNIT_MS.s) : null;
  if (typeof written !== 'string') return null;
  const match = /^([+-]?\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?$/.exec(written.trim());
  if (match === null) return null;
  return Math.round(Number(match[1]) * UNIT_MS[(match[2] ?? 's') as keyof typeof UNIT_MS]);
}

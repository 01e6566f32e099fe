import type { EffectiveLimits } from './limits-document.js';

/** Who changes the limits, and why. */
export interface ChangeAuthor {
  by: string;
  reason?: string | null | undefined;
}

/** One change of the limits in force, as the outbox tells it. */
export interface LimitsChange {
  /** The version that it made. */
  version: number;
  by: string;
  reason: string | null;
  /** The settings that changed, as they were and as they are: of those that hold entries by name, the entries that changed. */
  before: Record<string, unknown>;
  after: Record<string, unknown>;
}

/** So many of the latest changes stay in the document, so that each reaches the outbox although several were made before one was published. */
const CHANGES_KEPT = 16;
/** A change over 8 KiB is published without its before and after values. */
const MAX_BYTES = 8_192;

/** The latest changes with this one. */
export function withChange(
  changes: readonly LimitsChange[],
  [before, after]: [EffectiveLimits, EffectiveLimits],
  { by, reason = null }: ChangeAuthor,
): LimitsChange[] {
  const [was, is] = [changedIn(before, after), changedIn(after, before)];
  const fits = Buffer.byteLength(JSON.stringify([was, is])) <= MAX_BYTES;
  const change = { version: after.version, by, reason, before: fits ? was : {}, after: fits ? is : {} };
  return [...changes.slice(1 - CHANGES_KEPT), change];
}

/** What `limits` has that `others` has not, or otherwise. */
function changedIn(limits: EffectiveLimits, others: EffectiveLimits): Record<string, unknown> {
  const { version: _, ...settings } = limits;
  const changed = Object.entries(settings).flatMap(([name, value]) => {
    const other = others[name as keyof EffectiveLimits];
    if (isSame(value, other)) return [];
    return [[name, isRecord(value) && isRecord(other) ? changedEntries(value, other) : value] as const];
  });
  return Object.fromEntries(changed);
}

function changedEntries(entries: Record<string, unknown>, others: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entries).filter(([name, value]) => !isSame(value, others[name])));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

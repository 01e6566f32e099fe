import { DAY_MS } from '#basics';
import type { LimitDetails, LimitKey, LimitsLayer, TemporaryLimit } from '#session-core';

/** How long an expired temporary limit stays in the document, at most until the next change. */
const EXPIRED_KEPT_MS = DAY_MS;

const holdsSomething = (value: unknown) =>
  value !== undefined && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** Without members that are undefined or hold nothing, so that what means the same is written the same. */
export function without<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => holdsSomething(value))) as T;
}

/** An entry that is the record's own; names such as `constructor` are names like any other. */
export function own<T>(record: Record<string, T> | undefined, name: string | null): T | undefined {
  return record !== undefined && name !== null && Object.hasOwn(record, name) ? record[name] : undefined;
}

/** The entries with these in place; null takes one out. */
export function edited<T>(
  entries: Record<string, T> | undefined,
  changes: [name: string, value: T | null][],
): Record<string, T> {
  const next = new Map(Object.entries(entries ?? {}));
  for (const [name, value] of changes) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return Object.fromEntries(next);
}

/** The layer with these details changed; a detail that is undefined goes. */
export function withDetails(layer: LimitsLayer, patches: [LimitKey, Partial<LimitDetails>][]): LimitsLayer {
  const changes = patches.map(([key, patch]): [string, LimitDetails | null] => {
    const next = without({ ...own(layer.details, key), ...patch });
    return [key, Object.keys(next).length === 0 ? null : next];
  });
  return without({ ...layer, details: edited(layer.details, changes) });
}

export function withTemporary(layer: LimitsLayer, key: LimitKey, temporary: TemporaryLimit | undefined): LimitsLayer {
  return withDetails(layer, [[key, { temporary }]]);
}

/** The layer without the temporary limits that expired more than a day ago. */
export function withoutExpired(layer: LimitsLayer, nowMs: number): LimitsLayer {
  const expired = Object.entries(layer.details ?? {}).filter(
    ([, { temporary }]) => temporary !== undefined && temporary.untilMs < nowMs - EXPIRED_KEPT_MS,
  );
  return expired.length === 0
    ? layer
    : withDetails(
        layer,
        expired.map(([key]) => [key, { temporary: undefined }]),
      );
}

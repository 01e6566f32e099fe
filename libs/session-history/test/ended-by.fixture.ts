import { historyEvent, type HistoryEvent } from '../src/index.js';

const START_MS = Date.UTC(2026, 5, 1);

function event(type: string, atMs: number, fields: Record<string, string | number>): HistoryEvent {
  const all = { v: 1, id: `${type}/${atMs}`, type, tenant: 'default', at: atMs, ...fields };
  const written = Object.entries(all).map(([name, value]) => [name, String(value)]);
  const read = historyEvent({ position: `${atMs}-0`, shard: 0, fields: Object.fromEntries(written) });
  if (read === null) throw new Error(`${type} is nothing to history`);
  return read;
}

/** The admission of a session, or that it is on the books again so long after it. */
export function startedEvent(id: string, { adoptedAfterMs }: { adoptedAfterMs?: number } = {}): HistoryEvent {
  const session = JSON.stringify({ id, attempt: 1, user: 'alice', node: 'n1', state: 'active' });
  return adoptedAfterMs === undefined
    ? event('session.admitted', START_MS, { session })
    : event('session.adopted', START_MS + adoptedAfterMs, { session, startedAt: START_MS });
}

/** Its end, killed by `by` unless another reason is given. */
export function endedEvent(
  id: string,
  { by, reason = 'killed', afterMs = 1_000 }: { by?: string; reason?: string; afterMs?: number },
): HistoryEvent {
  const endedAt = START_MS + afterMs;
  const fields = { sessionId: id, attempt: 1, user: 'alice', node: 'n1', startedAt: START_MS, endedAt, reason };
  return event('session.ended', endedAt, { ...fields, ...(by !== undefined && { by }) });
}

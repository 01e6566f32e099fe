import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { historyEvent, type HistoryEvent } from '#session-history';

import type { BenchContext } from './bench-context.js';
import { sipCall } from './sessions.js';

const USERS = 50_000;
const MEAN_GAP_MS = 1;

/** The URL of an empty SQLite file that is removed at the end. */
export async function emptyFile(context: BenchContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'berth-history-'));
  context.atEnd(() => rm(dir, { recursive: true, force: true }));
  return `sqlite://${join(dir, `${randomUUID()}.db`)}`;
}

/** The admission of call number `index`, one a millisecond, as the outbox has it. */
export function started(index: number): HistoryEvent {
  const { sessionId, attempt, user, node, epoch, state, priority, groups, facts } = sipCall(
    index,
    (index * 7_919) % USERS,
  );
  const session = { id: sessionId, attempt, tenant: 'default', user, node, epoch, state, groups, priority, ...facts };
  const at = startOf(index);
  return event(at, index, {
    type: 'session.admitted',
    session: JSON.stringify(session),
    userActive: '1',
    totalActive: String(index % 1_000),
  });
}

/** Its end a minute later. */
export function ended(index: number): HistoryEvent {
  const { sessionId, user, node } = sipCall(index, (index * 7_919) % USERS);
  const at = startOf(index) + 60_000;
  return event(at, index, {
    type: 'session.ended',
    sessionId,
    attempt: '1',
    user,
    node: node ?? '',
    startedAt: String(startOf(index)),
    endedAt: String(at),
    reason: 'completed',
    bytesSent: String(index % 100_000),
    bytesReceived: String(index % 70_000),
    userActive: '0',
    totalActive: String(index % 1_000),
  });
}

const FIRST_MS = Date.UTC(2026, 10, 20);
const startOf = (index: number) => FIRST_MS + index * MEAN_GAP_MS;

function event(at: number, index: number, fields: Record<string, string>): HistoryEvent {
  const all = { v: '1', id: `${index}`, tenant: 'default', at: String(at), ...fields };
  const read = historyEvent({ position: `${at}-0`, shard: 0, fields: all });
  if (!read) throw new Error('Not an event of history');
  return read;
}

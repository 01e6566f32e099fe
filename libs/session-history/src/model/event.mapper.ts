import { END_REASONS, InvalidInputError, type EndReason } from '#session-core';

import type { LiveEvent, FullLimit, HistoryEvent, Level, LevelScope, Totals } from './event.js';

/** An entry of the outbox or of the stream of refusals: where it stands, and its fields. */
export interface OutboxEntry {
  position: string;
  shard: number;
  fields: Readonly<Record<string, string>>;
}

/** The last millisecond that RFC 3339 can write. */
const LAST_MS = 253_402_300_799_999;
const ON_THE_BOOKS = new Set([
  'session.reserved',
  'session.admitted',
  'session.adopted',
  'session.confirmed',
  'session.authenticated',
  'session.transferred',
]);
const TOTALS = ['bytesSent', 'bytesReceived', 'packetsSent', 'packetsReceived'] as const;

/**
 * What an entry means to history; null for one that has nothing to do with it.
 *
 * Throws InvalidInputError, with the field as its path, for an entry that can never be right.
 */
export function historyEvent({ position, shard, fields }: OutboxEntry): HistoryEvent | null {
  const type = fields['type'] ?? '';
  if (!/^\d{1,14}-\d{1,10}$/.test(position)) throw new InvalidInputError('position', 'must be the id of an entry');
  const atMs = timeIn(fields, 'at');
  const envelope = { tenant: textIn(fields, 'tenant'), atMs, position };
  if (ON_THE_BOOKS.has(type)) {
    const begins = type === 'session.admitted' || type === 'session.reserved';
    const startedAtMs = timeIn(fields, 'startedAt', begins || type === 'session.adopted' ? atMs : undefined);
    const session = sessionIn(fields);
    const levels = [...levelsAfterStart(fields, shard, session.user), ...levelLeft(fields)];
    return { kind: 'live', ...envelope, begins, startedAtMs, continues: continues(fields), session, levels };
  }
  if (type === 'session.rejected') return { kind: 'refused', ...envelope, ...refusalIn(fields, atMs), levels: [] };
  if (type === 'events.lost') {
    const [fromMs, toMs] = [timeIn(fields, 'from'), timeIn(fields, 'to')];
    const entries = numberIn(fields, 'entries', 0);
    return { kind: 'gap', ...envelope, id: required(fields, 'id'), shard, fromMs, toMs, entries, levels: [] };
  }
  if (type === 'session.totals') return { kind: 'traffic', ...envelope, ...sessionNamed(fields), levels: [] };
  const levels = levelsAfterEnd(fields, shard);
  if (type === 'session.moved') return { kind: 'levels', ...envelope, levels };
  if (type !== 'session.ended') return null;
  const reason = fields['reason'] as EndReason;
  if (!END_REASONS.includes(reason)) throw new InvalidInputError('reason', 'must be one of the reasons of an end');
  const ended = {
    ...envelope,
    user: textIn(fields, 'user'),
    node: textIn(fields, 'node'),
    endedAtMs: timeIn(fields, 'endedAt'),
    reason,
    note: textIn(fields, 'note'),
    by: textIn(fields, 'by') || undefined,
    levels,
  };
  // Without its record the attempt of a session is not known, and its start only where an index has it.
  const isRecorded = fields['attempt'] !== undefined;
  if (!isRecorded && fields['startedAt'] === undefined) {
    return { kind: 'lost', ...ended, sessionId: required(fields, 'sessionId'), totals: totalsIn(fields) };
  }
  const named = sessionNamed(fields);
  return { kind: 'ended', ...ended, ...named, attempt: isRecorded ? named.attempt : null };
}

type Fields = OutboxEntry['fields'];

function continues({ fromId, fromUser }: Fields): LiveEvent['continues'] {
  if (fromId === undefined) return undefined;
  return fromUser === undefined ? 'same user' : 'other user';
}

/** Which session an entry is about that does not have all of it, and what it came to. */
function sessionNamed(fields: Fields) {
  return {
    sessionId: required(fields, 'sessionId'),
    attempt: numberIn(fields, 'attempt', 0),
    startedAtMs: timeIn(fields, 'startedAt'),
    totals: totalsIn(fields),
  };
}

function sessionIn(fields: Fields) {
  const session = jsonIn(fields, 'session') as Record<string, unknown>;
  const text = (name: string) => (typeof session[name] === 'string' ? clean(session[name]) : null);
  const number = (name: string) => (Number.isSafeInteger(session[name]) ? (session[name] as number) : null);
  const id = text('id');
  if (id === null || id === '') throw new InvalidInputError('session.id', 'must be text');
  return {
    id,
    attempt: number('attempt') ?? 0,
    user: text('user') ?? '',
    node: text('node') ?? '',
    epoch: number('epoch'),
    state: session['state'] === 'reserved' ? ('reserved' as const) : ('active' as const),
    groups: Array.isArray(session['groups']) ? session['groups'].map((group) => clean(String(group))) : [],
    priority: session['priority'] === 'emergency' ? ('emergency' as const) : ('normal' as const),
    from: text('from'),
    to: text('to'),
    sourceIp: text('sourceIp') ?? '',
    sourcePort: number('sourcePort') ?? 0,
    destination: text('destination') ?? '',
    protocol: text('protocol') ?? '',
    direction: text('direction'),
    correlationId: text('correlationId'),
    metadata: session['metadata'] == null ? null : JSON.stringify(session['metadata']),
  };
}

/** A sum is dated by the second that it sums (`since`), which may be long before it was written. */
function refusalIn(fields: Fields, atMs: number) {
  const limits = jsonIn(fields, 'limits', '[]');
  return {
    id: required(fields, 'id'),
    sessionId: textIn(fields, 'sessionId'),
    user: textIn(fields, 'user'),
    limits: Array.isArray(limits) ? limits.map(fullLimit) : [],
    count: Math.max(1, numberIn(fields, 'count', 1)),
    rule: textIn(fields, 'rule'),
    decision: textIn(fields, 'decision'),
    sourceIp: textIn(fields, 'sourceIp'),
    sourcePort: numberIn(fields, 'sourcePort', 0),
    destination: textIn(fields, 'destination'),
    protocol: textIn(fields, 'protocol'),
    node: textIn(fields, 'node'),
    correlationId: textIn(fields, 'correlationId') || null,
    atMs: timeIn(fields, 'since', atMs),
  };
}

function fullLimit(limit: unknown): FullLimit {
  const { scope, key, max, active, action } = (limit ?? {}) as Record<string, unknown>;
  return {
    scope: clean(String(scope)),
    key: clean(String(key)),
    max: Number(max) || 0,
    active: Number(active) || 0,
    ...(typeof action === 'string' && { action: clean(action) }),
  };
}

function levelsAfterStart(fields: Fields, shard: number, user: string): Level[] {
  return levelsIn(fields, shard, user).map((level) => ({ ...level, peak: level.active }));
}

function levelsAfterEnd(fields: Fields, shard: number): Level[] {
  return levelsIn(fields, shard, textIn(fields, 'user')).map((level) => ({ ...level, peak: level.active + 1 }));
}

/** What the user who had the session before has left. */
function levelLeft(fields: Fields): Level[] {
  const [name, active] = [textIn(fields, 'fromUser'), fields['fromUserActive']];
  if (name === '' || active === undefined) return [];
  const left = numberIn(fields, 'fromUserActive', 0);
  return [{ scope: 'user', name, active: left, peak: left + 1 }];
}

function levelsIn(fields: Fields, shard: number, user: string): Omit<Level, 'peak'>[] {
  const levels: { scope: LevelScope; name: string; active: number }[] = [];
  if (fields['totalActive'] !== undefined) {
    levels.push({ scope: 'total', name: String(shard), active: numberIn(fields, 'totalActive', 0) });
  }
  if (fields['userActive'] !== undefined && user !== '') {
    levels.push({ scope: 'user', name: user, active: numberIn(fields, 'userActive', 0) });
  }
  const groups = jsonIn(fields, 'groupsActive', '{}') as Record<string, unknown>;
  for (const [name, active] of Object.entries(groups)) {
    if (Number.isSafeInteger(active)) levels.push({ scope: 'group', name: clean(name), active: active as number });
  }
  return levels;
}

function totalsIn(fields: Fields): Totals {
  return Object.fromEntries(TOTALS.flatMap((name) => (fields[name] ? [[name, numberIn(fields, name, 0)]] : [])));
}

/** No database takes a NUL in text, nor half a character. */
function clean(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

const textIn = (fields: Fields, name: string): string => clean(fields[name] ?? '');

function required(fields: Fields, name: string): string {
  const value = textIn(fields, name);
  if (value === '') throw new InvalidInputError(name, 'is missing');
  return value;
}

function numberIn(fields: Fields, name: string, absent: number): number {
  const value = fields[name] === undefined ? absent : Number(fields[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidInputError(name, 'must be a whole number');
  return value;
}

function timeIn(fields: Fields, name: string, absent = Number.NaN): number {
  const ms = numberIn(fields, name, absent);
  if (ms > LAST_MS) throw new InvalidInputError(name, 'must be a time in milliseconds');
  return ms;
}

function jsonIn(fields: Fields, name: string, absent = ''): object {
  try {
    const value = JSON.parse(fields[name] ?? absent) as unknown;
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // refused below
  }
  throw new InvalidInputError(name, 'must be JSON');
}

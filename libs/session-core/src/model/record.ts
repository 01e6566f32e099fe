import { Packr, Unpackr } from 'msgpackr';
import { CorruptReplyError } from '../errors.js';
import { lengthen, shorten, type CommonWord } from './common-words.js';
import type { AdmissionRequest, AdmissionToken } from './decision.js';
import type { Channel, EndedSession, EndReason, Session } from './session.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', mapsAsObjects: true });

/** The metadata is its JSON text, as events show it: no script may read it, since Lua's numbers and tables would change it. */
type PackedFacts = [
  from: string | null,
  to: string | null,
  sourceIp: string | null,
  sourcePort: number | null,
  destination: string | null,
  protocol: CommonWord,
  direction: CommonWord,
  correlationId: string | null,
  metadata: string | null,
];

const NO_FACTS: PackedFacts = [null, null, null, null, null, 'sip', null, null, null];

/** Positions of a record, as `prelude.lua` names them. */
type RecordList = [
  version: 1,
  state: 'r' | 'a' | 'e' | 'p' | 'w',
  attempt: number,
  user: string,
  node: string,
  epoch: number,
  longestMs: number,
  idleMs: number,
  reservationMs: number,
  emergency: boolean,
  groups: string[],
  owners: number[],
  revoked: number[],
  endedAt?: number,
  reason?: EndReason,
  note?: string,
  lastActivity?: number,
  traffic?: PackedTraffic | TombstoneTotals,
  movedTo?: [id: string, user: string] | false,
  by?: string,
];

type PackedTraffic = Record<string, string>;

/**
 * As the tombstone of a final ending has them; or none, since Lua packs an empty map as an empty list. `grown` is how often they have grown since;
 * `attempt` is that of the session where the record refuses later ones too.
 */
type TombstoneTotals =
  | [
      bytesSent: number,
      bytesReceived: number,
      packetsSent: number,
      packetsReceived: number,
      grown?: number,
      attempt?: number,
    ]
  | [];

/** The start of what has ended and was never seen to start; `prelude.lua` has the same. */
const NEVER = 0;

/** The start stands in front of a record, in so many bytes, big end first. */
const START_BYTES = 6;

/** Packs a new session as its record, without the start, which only Redis knows. */
export function packSession(request: AdmissionRequest, token: AdmissionToken): Buffer {
  const { attempt, user, node, epoch, state, priority, groups, policy, facts } = request;
  const list: RecordList = [
    1,
    state === 'reserved' ? 'r' : 'a',
    attempt,
    user,
    node ?? '',
    node === null ? 0 : (epoch ?? 0),
    policy.maxDurationMs,
    policy.idleMs,
    state === 'reserved' ? policy.reservationMs : 0,
    priority === 'emergency',
    groups,
    [token],
    [],
  ];
  const packed: PackedFacts = [
    facts.from,
    facts.to,
    facts.sourceIp,
    facts.sourcePort,
    facts.destination,
    shorten(facts.protocol),
    shorten(facts.direction),
    facts.correlationId,
    facts.metadata === null ? null : JSON.stringify(facts.metadata),
  ];
  return Buffer.concat([packr.pack(list), packr.pack(packed)]);
}

interface UnpackedRecord {
  startedAtMs: number;
  list: RecordList;
  /** A tombstone of a final ending has none. */
  facts: PackedFacts | undefined;
  /** Null where there is none, or none that can be decoded. */
  metadata: Record<string, unknown> | null;
  /** False for a tombstone of a final ending, and where a foreign hand has written what stands behind the list: the facts are not known. */
  isWhole: boolean;
}

function unpackRecord(packed: Buffer): UnpackedRecord {
  const values: unknown[] = [];
  let isWhole = packed.length > START_BYTES;
  try {
    unpackr.unpackMultiple(packed.subarray(START_BYTES), (value: unknown) => void values.push(value));
  } catch {
    isWhole = false;
  }
  const [list, facts] = values;
  if (!Array.isArray(list) || list[0] !== 1) {
    throw new CorruptReplyError('A session record has a version that this release does not know');
  }
  const record = { startedAtMs: packed.readUIntBE(0, START_BYTES), list: list as unknown as RecordList };
  const unknown = { ...record, facts: undefined, metadata: null, isWhole: false };
  if (!isWhole || !Array.isArray(facts) || facts.length !== NO_FACTS.length) return unknown;
  const known = facts as unknown as PackedFacts;
  try {
    const json = known.at(-1) as string | null;
    const metadata = json === null ? null : (JSON.parse(json) as Record<string, unknown>);
    return { ...record, facts: known, metadata, isWhole };
  } catch {
    return unknown;
  }
}

function trafficOf(traffic: PackedTraffic | TombstoneTotals) {
  if (Array.isArray(traffic)) {
    const [bytesSent = 0, bytesReceived = 0, packetsSent = 0, packetsReceived = 0] = traffic;
    return { bytesSent, bytesReceived, packetsSent, packetsReceived, channels: [] };
  }
  return {
    bytesSent: Number(traffic['bytesSent'] ?? 0),
    bytesReceived: Number(traffic['bytesReceived'] ?? 0),
    packetsSent: Number(traffic['packetsSent'] ?? 0),
    packetsReceived: Number(traffic['packetsReceived'] ?? 0),
    channels: channelsOf(traffic['channels']),
  };
}

function channelsOf(json: string | undefined): Channel[] {
  try {
    return json === undefined ? [] : (JSON.parse(json) as Channel[]);
  } catch {
    return []; // a foreign hand
  }
}

/** What a script says beside the record: the parts of a live session that live elsewhere. */
export interface LiveParts {
  due: string;
  lastActivity: string;
  traffic: Buffer;
}

/**
 * Reads a live session from its record and the parts beside it; facts that cannot be decoded are absent. Throws CorruptReplyError on an unknown
 * version.
 */
export function readSession(tenant: string, id: string, packed: Buffer, parts: LiveParts): Session {
  return liveSession(tenant, id, unpackRecord(packed), parts);
}

/** As `readSession`; null where anything of the record cannot be decoded. */
export function readWholeSession(tenant: string, id: string, packed: Buffer, parts: LiveParts): Session | null {
  try {
    const record = unpackRecord(packed);
    return record.isWhole ? liveSession(tenant, id, record, parts) : null;
  } catch (error) {
    if (error instanceof CorruptReplyError) return null;
    throw error;
  }
}

function liveSession(tenant: string, id: string, record: UnpackedRecord, parts: LiveParts): Session {
  return {
    ...base(tenant, id, record),
    lastActivityAtMs: Number(parts.lastActivity),
    expiresAtMs: readDue(parts.due),
    ...readTraffic(parts.traffic),
  };
}

/** What a script says of the totals and channels of a live session. */
export function readTraffic(packed: Buffer) {
  return trafficOf(unpackr.unpack(packed) as PackedTraffic);
}

/** Reads an ended session from its tombstone. */
export function readEnded(tenant: string, id: string, packed: Buffer): EndedSession {
  const record = unpackRecord(packed);
  const [
    endedAtMs = 0,
    endReason = 'completed',
    note = '',
    lastActivityAtMs = 0,
    traffic = {},
    movedTo = false,
    endedBy,
  ] = record.list.slice(13) as [
    number?,
    EndReason?,
    string?,
    number?,
    (PackedTraffic | TombstoneTotals)?,
    ([string, string] | false)?,
    string?,
  ];
  const { startedAtMs, attempt, ...known } = base(tenant, id, record);
  return {
    ...known,
    attempt: attempt === 0 && Array.isArray(traffic) ? (traffic[5] ?? attempt) : attempt,
    startedAtMs: startedAtMs === NEVER ? endedAtMs : startedAtMs,
    lastActivityAtMs,
    expiresAtMs: null,
    ...trafficOf(traffic),
    endedAtMs,
    endReason,
    note: note === '' ? null : note,
    whole: record.isWhole,
    movedTo: movedTo === false ? null : { sessionId: movedTo[0], user: movedTo[1] },
    endedBy: endedBy ?? null,
  };
}

/** A deadline as Redis prints it; null for one that never comes. */
export function readDue(due: string): number | null {
  return due.endsWith('inf') ? null : Number(due);
}

const LAST_TIME_MS = 8.64e15;

function base(tenant: string, id: string, { startedAtMs, list, facts, metadata }: UnpackedRecord) {
  const [, state, attempt, user, node, epoch, longestMs, , , emergency, groups] = list;
  const [from, to, sourceIp, sourcePort, destination, protocol, direction, correlationId] = facts ?? NO_FACTS;
  const endsByMs = startedAtMs + longestMs;
  return {
    id,
    attempt: Math.max(attempt, 0),
    tenant,
    user,
    node: node === '' ? null : node,
    epoch: epoch === 0 ? null : epoch,
    state: state === 'r' ? ('reserved' as const) : ('active' as const),
    from,
    to,
    sourceIp,
    sourcePort,
    destination,
    protocol: lengthen(protocol) ?? 'sip',
    direction: lengthen(direction),
    correlationId,
    groups,
    priority: emergency ? ('emergency' as const) : ('normal' as const),
    startedAtMs,
    endsByMs: longestMs === 0 || !(endsByMs <= LAST_TIME_MS) ? null : endsByMs,
    metadata,
  };
}

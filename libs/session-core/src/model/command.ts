import { crc32 } from 'node:zlib';
import { END_REASONS, type EndReason } from './session.js';

/** What a node must still do: hang up a session that Berth has ended. */
export interface Command {
  /** Opaque to nodes, and safe in a path. */
  commandId: string;
  sessionId: string;
  attempt: number;
  reason: EndReason;
  /** When it was given, milliseconds of the Redis clock. */
  atMs: number;
}

/** Where a command is, as its id says: an acknowledgement needs no search. */
export interface CommandAddress {
  shard: number;
  sessionId: string;
  attempt: number;
  /** Tells the session from an earlier or later one with the same id and attempt. */
  startedAtMs: number;
  /** CRC-32 of the node's name: whose command it is, even when nothing is left of it. */
  nodeCheck: number;
}

/** Shard, node, attempt, start; then the session's id. */
const ID_OFFSET = 2 + 4 + 4 + 6;
const MAX_SESSION_ID_BYTES = 256;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function nodeCheckOf(node: string): number {
  return crc32(node);
}

export function writeCommandId({ shard, sessionId, attempt, startedAtMs, nodeCheck }: CommandAddress): string {
  const head = Buffer.alloc(ID_OFFSET);
  head.writeUInt16BE(shard, 0);
  head.writeUInt32BE(nodeCheck, 2);
  head.writeUInt32BE(attempt, 6);
  head.writeUIntBE(startedAtMs, 10, 6);
  return Buffer.concat([head, Buffer.from(sessionId)]).toString('base64url');
}

/** The address that `writeCommandId` wrote; null for every other text. */
export function readCommandId(text: string): CommandAddress | null {
  const bytes = Buffer.from(text, 'base64url');
  const idBytes = bytes.length - ID_OFFSET;
  // Node skips what is no base64url: only a text that is written the same way again is one of ours.
  if (idBytes < 1 || idBytes > MAX_SESSION_ID_BYTES || bytes.toString('base64url') !== text) return null;
  try {
    return {
      shard: bytes.readUInt16BE(0),
      nodeCheck: bytes.readUInt32BE(2),
      attempt: bytes.readUInt32BE(6),
      startedAtMs: bytes.readUIntBE(10, 6),
      sessionId: utf8.decode(bytes.subarray(ID_OFFSET)),
    };
  } catch {
    return null;
  }
}

/** What `apply_end` in endings.lua writes. */
interface StoredCommand {
  sessionId: string;
  attempt: number;
  startedAt: number;
  reason: EndReason;
  at: number;
}

/** A field of `commands:<node>`; null for what no script of ours wrote, which must not hide the others. */
export function readCommand(shard: number, node: string, json: string): Command | null {
  try {
    const { sessionId, attempt, startedAt, reason, at } = JSON.parse(json) as StoredCommand;
    if (!END_REASONS.includes(reason) || !Number.isSafeInteger(at)) return null;
    const address = { shard, sessionId, attempt, startedAtMs: startedAt, nodeCheck: nodeCheckOf(node) };
    return { commandId: writeCommandId(address), sessionId, attempt, reason, atMs: at };
  } catch {
    return null;
  }
}

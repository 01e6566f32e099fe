import type { EndedSession } from '../model/session.js';
import { endedIn } from './ended-entries.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('audit');

/** What a pass has found and mended so far. */
export interface AuditFindings {
  /** Sessions without a record, which ended as reconciled. */
  ended: number;
  /** Entries that a record names and an index lacked. */
  restored: number;
  /** Entries of what had ended, or of another's session, and keys of a foreign type. */
  removed: number;
  /** Users and groups whose number was not that of their sessions. */
  recounted: number;
}

/** `resting`: the last pass is not long over. `done`: this piece was the last of a pass. */
export type AuditPiece =
  | { kind: 'resting'; restMs: number }
  | { kind: 'working' | 'done'; tookMs: number; found: AuditFindings; ended: Iterable<EndedSession> };

export interface AuditOptions {
  /** For how long a piece may work, milliseconds of Redis. */
  pieceMs: number;
  /** Between the end of a pass and the next one, milliseconds. */
  restMs: number;
}

/** One piece of the audit of a shard, see `audit.lua`. Any number at once: each mends what it meets, once. */
export async function audit(context: ShardContext, { pieceMs, restMs }: AuditOptions): Promise<AuditPiece> {
  const reply = new ReplyReader(await script.inShard(context, [Math.round(1_000 * pieceMs), restMs]));
  const kind = reply.text();
  switch (kind) {
    case 'resting':
      return { kind, restMs: reply.integer() };
    case 'working':
    case 'done': {
      const tookMs = reply.integer() / 1_000;
      const [ended, restored, removed, recounted] = [
        reply.integer(),
        reply.integer(),
        reply.integer(),
        reply.integer(),
      ];
      return {
        kind,
        tookMs,
        found: { ended, restored, removed, recounted },
        ended: endedIn(context.tenant, reply.rest()),
      };
    }
    default:
      return reply.fail();
  }
}

import type { Redis } from 'ioredis';
import { Audits } from '../src/audits.js';
import { shardNumbers, type TenantRef } from '../src/keys.js';
import type { EndedSession } from '../src/model/session.js';
import type { AuditFindings } from '../src/scripts/audit.script.js';

export interface Pass {
  found: AuditFindings;
  ended: EndedSession[];
  pieces: number;
}

/** A whole pass of the audit over every shard, from where it is to its end, at once. `pieceMs` 0: the smallest pieces that there are. */
export async function auditPass(
  redis: Redis,
  tenant: TenantRef,
  { pieceMs = 50, clockMs }: { pieceMs?: number; clockMs?: (() => number) | undefined } = {},
): Promise<Pass> {
  const audits = new Audits({ client: redis, deadlineMs: 5_000, clockMs });
  const pass: Pass = { found: { ended: 0, restored: 0, removed: 0, recounted: 0 }, ended: [], pieces: 0 };
  for (const shard of shardNumbers(tenant)) {
    for (;;) {
      const piece = await audits.piece(tenant, shard, { pieceMs, restMs: 0 });
      if (piece.kind === 'resting') throw new Error('A pass without rest rests');
      pass.pieces++;
      pass.ended.push(...piece.ended);
      if (piece.kind === 'working') continue;
      for (const kind of Object.keys(pass.found) as (keyof AuditFindings)[]) pass.found[kind] += piece.found[kind];
      break;
    }
  }
  return pass;
}

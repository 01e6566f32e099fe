import { Audits, type AuditPiece } from '#session-core';

import type { BenchContext } from './bench-context.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { processorMicroseconds } from './process-cpu.js';
import { mustAdmit, sipCall, TENANT, type BenchBooks } from './sessions.js';

const LIVE = 100_000;
const USERS = 50_000;
const PIECE_MS = 1;
/** The audit takes at most this share of Redis. */
const SHARE = 0.01;

/** Redis time of a pass of the audit over 100,000 sessions, each in the set of a user and of a group, and what it takes at its share of Redis. */
export async function coreAudit(context: BenchContext, { server, client, store }: BenchBooks): Promise<Measurement[]> {
  context.progress(`${LIVE} live sessions`);
  await forEachInFlight(LIVE, 256, async (index) => {
    const call = sipCall(index, index % USERS);
    return await mustAdmit(store, { ...call, groups: [`trunk:${index % 20}`] });
  });
  const audits = new Audits({ client, deadlineMs: 10_000 });
  const before = await processorMicroseconds(server.pid);
  let pieces = 0;
  for (let piece: AuditPiece | null = null; piece?.kind !== 'done'; pieces++) {
    piece = await audits.piece(TENANT, 0, { pieceMs: PIECE_MS, restMs: 60_000 });
    if (piece.kind === 'resting') throw new Error('The audit rests');
  }
  const usec = (await processorMicroseconds(server.pid)) - before;
  return [
    {
      name: 'core.audit/pass',
      unit: `s of a pass over ${LIVE} sessions at 1 % of Redis`,
      value: usec / 1e6 / SHARE,
      baseline: null,
      ratio: null,
      target: { of: 'value', is: 'at most', bound: 180 },
    },
    {
      name: 'core.audit/piece',
      unit: 'ms of Redis a piece',
      value: usec / 1e3 / pieces,
      baseline: null,
      ratio: null,
    },
  ];
}

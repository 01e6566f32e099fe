import type { Beat, Heartbeat } from '../model/node.js';
import { ReplyReader } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const script = new TenantScript('heartbeat');
const wantScript = new TenantScript('want-snapshot');

/** `enter`: the shards have to learn of this change of the node's run before the beat counts. */
export type BeatReply =
  | Exclude<Beat, { kind: 'beat' }>
  | (Extract<Beat, { kind: 'beat' }> & { change: number })
  | { kind: 'enter'; change: number };

export async function heartbeat(
  context: TenantContext,
  { node, epoch, activeSessions, via, atMs }: Heartbeat,
  { entered, snapshotIntervalMs }: { entered: number | null; snapshotIntervalMs: number },
): Promise<BeatReply> {
  const args = [node, epoch, activeSessions ?? '', via, entered ?? '', snapshotIntervalMs, atMs ?? ''];
  const reply = new ReplyReader(await script.inTenant(context, args));
  switch (reply.text()) {
    case 'beat':
      return { kind: 'beat', mark: reply.integer(), snapshotWanted: reply.text() === '1', change: reply.integer() };
    case 'enter':
      return { kind: 'enter', change: reply.integer() };
    case 'late':
      return { kind: 'late' };
    case 'stale':
      return { kind: 'stale', currentEpoch: reply.integer() };
    default:
      return reply.fail();
  }
}

/** The next beat of the node asks for a snapshot. */
export async function wantSnapshot(context: TenantContext, node: string): Promise<void> {
  await wantScript.inTenant(context, [node]);
}

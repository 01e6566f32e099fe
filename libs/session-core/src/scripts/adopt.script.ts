import { groupsInForce } from '../group-parents.js';
import { packSession } from '../model/record.js';
import { NO_FACTS, type SessionPolicy } from '../model/session.js';
import type { SnapshotEntry, SnapshotPart } from '../model/snapshot.js';
import { integer, field, ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('adopt');

/** Names a list: whose, and begun when. */
export type SnapshotRef = Pick<SnapshotPart, 'node' | 'epoch' | 'mark'>;

export interface AdoptOptions {
  /** How long an ending that the node reported is remembered, milliseconds. An older list adopts nothing. */
  tombstoneMs: number;
  onReturn: 'over_admit' | 'hang_up';
  policyOf: (entry: SnapshotEntry) => SessionPolicy;
}

/** The token of an admission that nobody asked for; the script takes it away. */
const NOBODY = 0;

/** Takes a node's word that these sessions of a shard are alive, at most a batch. The list has been here, even with no session in it. */
export async function adopt(
  context: ShardContext,
  { node, epoch, mark }: SnapshotRef,
  entries: SnapshotEntry[],
  { tombstoneMs, onReturn, policyOf }: AdoptOptions,
): Promise<{ kind: 'taken' } | { kind: 'stale-epoch'; currentEpoch: number }> {
  const groups = await groupsInForce(
    context,
    entries.flatMap((entry) => entry.groups ?? []),
  );
  const listed = entries.flatMap((entry) => [
    entry.id,
    entry.attempt ?? '',
    Math.round(entry.startedAtMs),
    entry.state === undefined ? '' : entry.state.charAt(0),
    recordOf(node, epoch, { ...entry, groups: groups(entry.groups ?? []) }, policyOf(entry)),
  ]);
  const reply = await script.inShard(context, [node, epoch, mark, tombstoneMs, onReturn, ...listed]);
  const word = new ReplyReader(reply).text();
  return word === 'taken' ? { kind: 'taken' } : { kind: 'stale-epoch', currentEpoch: integer(field(reply, 1)) };
}

function recordOf(node: string, epoch: number, entry: SnapshotEntry, policy: SessionPolicy): Buffer {
  const { user, attempt = 1, state = 'active', groups = [] } = entry;
  const request = { attempt, user, node, epoch, state, priority: 'normal', groups, policy, facts: NO_FACTS } as const;
  return packSession({ ...request, sessionId: entry.id, groups }, NOBODY);
}

import type { CommandAddress } from '../model/command.js';
import { text } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('acknowledge');

export interface Acknowledgement extends Pick<CommandAddress, 'sessionId' | 'attempt' | 'startedAtMs'> {
  node: string;
  tombstoneMs: number;
}

/** Ends a command that its node has carried out. Repeatable; `none`: it had ended before. */
export async function acknowledge(context: ShardContext, ack: Acknowledgement): Promise<'done' | 'none'> {
  const { node, sessionId, attempt, startedAtMs, tombstoneMs } = ack;
  const reply = text(await script.inShard(context, [node, sessionId, attempt, startedAtMs, tombstoneMs]));
  return reply === 'done' ? 'done' : 'none';
}

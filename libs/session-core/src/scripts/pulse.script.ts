import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('pulse');

export interface PulseOptions {
  /** How long nothing that is due by silence ends after an outage, milliseconds. */
  graceMs: number;
  /** Silence longer than this was an outage, milliseconds. */
  staleAfterMs: number;
  /** The caller's last pulse of this shard: the time of Redis then, and how long ago it was by a clock that never jumps, milliseconds. */
  last: { nowMs: number; agoMs: number } | null;
}

export interface Pulse {
  /** Milliseconds of the Redis clock. */
  nowMs: number;
  /** How long the shard had not been seen up, milliseconds; 0 if that was no outage. */
  gapMs: number;
}

/** Says that a shard is up, and gives grace to what is due there by silence if it was away, or if its clock jumped. */
export async function pulse(context: ShardContext, { graceMs, staleAfterMs, last }: PulseOptions): Promise<Pulse> {
  const since = last === null ? ['', ''] : [last.nowMs, Math.round(last.agoMs)];
  const args = [Math.round(graceMs), Math.round(staleAfterMs), ...since];
  const reply = new ReplyReader(await script.inShard(context, args));
  return { nowMs: reply.integer(), gapMs: reply.integer() };
}

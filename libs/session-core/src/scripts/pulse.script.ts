import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('pulse');

export interface PulseOptions {
  /** How long nothing that is due by silence ends after an outage, milliseconds. */
  graceMs: number;
  /** Silence longer than this was an outage, milliseconds. */
  staleAfterMs: number;
  /** How much further the clock of Redis went than the caller's own since its last pulse, milliseconds; 0 if it cannot tell. */
  jumpedMs: number;
}

export interface Pulse {
  /** Milliseconds of the Redis clock. */
  nowMs: number;
  /** How long the shard had not been seen up, milliseconds; 0 if that was no outage. */
  gapMs: number;
}

/** Says that a shard is up, and gives grace to what is due there by silence if it was away, or if its clock jumped. */
export async function pulse(context: ShardContext, { graceMs, staleAfterMs, jumpedMs }: PulseOptions): Promise<Pulse> {
  const args = [Math.round(graceMs), Math.round(staleAfterMs), Math.round(jumpedMs)];
  const reply = new ReplyReader(await script.inShard(context, args));
  return { nowMs: reply.integer(), gapMs: reply.integer() };
}

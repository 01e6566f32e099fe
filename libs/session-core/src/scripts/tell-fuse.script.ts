import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('tell-fuse');

/** Tells the outbox that a fuse has tripped. Done twice it is one event: it has the same id. */
export async function tellFuse(
  context: ShardContext,
  fuse: string,
  sinceMs: number,
  details: Record<string, string | number>,
): Promise<void> {
  await script.inShard(context, [fuse, sinceMs, ...Object.entries(details).flat()]);
}

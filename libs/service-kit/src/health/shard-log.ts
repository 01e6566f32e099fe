import type { Logger } from '../logging/logger.js';
import { SpacedLines } from '../logging/spaced-lines.js';

const MAX_NAMED = 20;

/**
 * Writes when decisions of shards begin to fail, and when they work again; at most one line a second, which names all shards that it is about.
 * A shard that fails, works and fails again within a second is in one line of each kind.
 */
export class ShardLog {
  private readonly began = new Map<string, string>();
  private readonly ended = new Map<string, number>();
  private readonly lines = new SpacedLines(() => this.writeBegan() || this.writeEnded());

  constructor(private readonly logger: Logger) {}

  failing(shard: string, cause: string): void {
    if (!this.ended.delete(shard)) this.began.set(shard, cause);
    this.lines.due();
  }

  working(shard: string, afterMs: number): void {
    this.ended.set(shard, afterMs);
    this.lines.due();
  }

  stop(): void {
    this.lines.stop();
  }

  /** Those of one cause in one line. */
  private writeBegan(): boolean {
    const [first] = this.began.values();
    if (first === undefined) return false;
    const shards = [...this.began].flatMap(([shard, cause]) => (cause === first ? [shard] : []));
    for (const shard of shards) this.began.delete(shard);
    this.logger.warn({ shards: shards.slice(0, MAX_NAMED), count: shards.length, cause: first }, 'Decisions fail');
    return true;
  }

  private writeEnded(): boolean {
    if (this.ended.size === 0) return false;
    const shards = [...this.ended.keys()];
    const afterMs = Math.max(...this.ended.values());
    this.ended.clear();
    this.logger.warn(
      { shards: shards.slice(0, MAX_NAMED), count: shards.length, after_ms: afterMs },
      'Decisions work again',
    );
    return true;
  }
}

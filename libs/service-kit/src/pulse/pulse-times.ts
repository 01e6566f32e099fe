import type { BerthConfig } from '../config/berth.config.js';

const LONGEST_INTERVAL_MS = 1_000;

/** How often the pulse is felt, and after how long a silence Redis was away; milliseconds. */
export function pulseTimes({ nodes }: Pick<BerthConfig, 'nodes'>): { intervalMs: number; staleAfterMs: number } {
  const intervalMs = Math.min(LONGEST_INTERVAL_MS, Math.max(nodes.leaseMs / 10, 50));
  return { intervalMs, staleAfterMs: Math.max(nodes.leaseMs / 3, 3 * intervalMs) };
}

/** When nobody looked at the nodes for longer, milliseconds, whoever did was away, and no lease counts. */
export function watchStaleAfterMs({ nodes, reaper }: Pick<BerthConfig, 'nodes' | 'reaper'>): number {
  // A process makes a pass by its own timer when it had none for three intervals.
  return Math.max(nodes.leaseMs / 3, 5 * reaper.sweepIntervalMs);
}

import type { BerthConfig } from '#config';

const MAX_INTERVAL_MS = 1_000;

/** How often the pulse is felt, and after how long a silence Redis was away; milliseconds. */
export function pulseTimes({ nodes }: Pick<BerthConfig, 'nodes'>): { intervalMs: number; staleAfterMs: number } {
  const intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(nodes.leaseMs / 10, 50));
  return { intervalMs, staleAfterMs: Math.max(nodes.leaseMs / 3, 3 * intervalMs) };
}

/**
 * How often nodes are looked at, milliseconds: often enough that a third of a lease without a look means that the process that looks was away,
 * whatever the interval of the sweeps.
 */
export function watchIntervalMs({ nodes }: Pick<BerthConfig, 'nodes'>): number {
  return Math.min(MAX_INTERVAL_MS, Math.max(nodes.leaseMs / 60, 50));
}

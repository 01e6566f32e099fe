import { constants, setPriority } from 'node:os';

import type { BenchContext } from './bench-context.js';

/**
 * Gives Redis precedence over whatever else runs here. Its statistics tell time by the clock, so it must not wait for a
 * processor in the middle of a call. Where its priority may not be raised, the figures include such waits.
 */
export function preferRedis({ progress }: BenchContext, pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGHEST);
  } catch {
    progress('the priority of Redis may not be raised; its times may include waits for a processor');
  }
}

import { setTimeout as elapsed } from 'node:timers/promises';

/** Waits `ms`, or until `signal` aborts; not at all where it has aborted. Never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await elapsed(Math.max(0, ms), undefined, { signal }).catch(() => {});
}

import type { Fuse, NodeView, SnapshotProgress } from '#session-core';
import { rfc3339, rfc3339OrNull } from '#session-wire';

/** A node as the API shows it: `sessions` by the books, `claimedSessions` by its own count; and how far its newest snapshot has come. */
export function nodeView(
  { sinceMs, lastBeatMs, lastSnapshotMs, ...node }: NodeView,
  progress: SnapshotProgress | null,
) {
  return {
    ...node,
    since: rfc3339OrNull(sinceMs),
    lastBeat: rfc3339OrNull(lastBeatMs),
    lastSnapshot: rfc3339OrNull(lastSnapshotMs),
    snapshot: progress === null ? null : snapshotView(progress),
  };
}

function snapshotView({ state, parts, arrived, phase, done, of }: SnapshotProgress) {
  return { state, parts, arrived, phase, done, of };
}

/** A fuse as the API shows it. */
export function fuseView({ since, allowedUntil, ...fuse }: Fuse) {
  return { ...fuse, since: rfc3339(since), allowedUntil: rfc3339OrNull(allowedUntil) };
}

// Runs in a thread of its own, so that a node whose event loop is held up beats on.
import { parentPort, workerData } from 'node:worker_threads';

import { BerthClient } from '../client.js';
import { UnavailableError, type BerthError } from '../errors.js';
import { pause } from '../pause.js';
import type { BeatReport, BeatsOf } from './beats.js';

const LEAST_BEAT_MS = 500;

async function beatOn({ options, node, epoch }: BeatsOf, report: (message: BeatReport) => void): Promise<void> {
  const client = new BerthClient(options);
  // Until the first answer says how often.
  let [beatMs, leaseMs] = [1_000, Number.POSITIVE_INFINITY];
  let [takenAt, lost] = [performance.now(), false];
  for (;;) {
    const sentAt = performance.now();
    try {
      // A beat that takes longer is late: the next one is due.
      const outcome = await client.heartbeat(node, { epoch }, { deadlineMs: Math.max(beatMs, LEAST_BEAT_MS) });
      if (outcome.kind === 'stale-epoch') {
        report({ kind: 'superseded', currentEpoch: outcome.currentEpoch });
        return;
      }
      [takenAt, lost] = [sentAt, false];
      [beatMs, leaseMs] = [outcome.beatSeconds * 1_000, outcome.leaseSeconds * 1_000];
      report({ kind: 'beat', snapshotWanted: outcome.snapshotWanted, mark: outcome.mark });
    } catch (error) {
      const { code, message } = error as BerthError;
      report({ kind: 'failed', code, message, away: error instanceof UnavailableError });
    }
    if (!lost && performance.now() - takenAt > leaseMs) {
      lost = true;
      report({ kind: 'lost' });
    }
    // One that was not taken is repeated sooner: a lease has three beats.
    const dueMs = takenAt === sentAt ? beatMs : Math.min(beatMs / 2, LEAST_BEAT_MS);
    await pause(sentAt + dueMs - performance.now());
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
void beatOn(workerData as BeatsOf, (message) => parentPort?.postMessage(message));

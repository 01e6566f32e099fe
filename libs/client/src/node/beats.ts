import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import { BerthError, type ErrorCode } from '../errors.js';
import type { ClientOptions } from '../options.js';
import { callingFile } from './own-file.js';

export interface BeatsOf {
  options: Omit<ClientOptions, 'onProblem'>;
  node: string;
  epoch: number;
}

/** What the thread that beats reports. */
export type BeatReport =
  | { kind: 'beat'; snapshotWanted: boolean; mark: string }
  | { kind: 'lost' }
  | { kind: 'superseded'; currentEpoch: number | null }
  | { kind: 'failed'; code: ErrorCode; message: string; away: boolean };

/** Beats in a thread of its own, until it is stopped. */
export class Beats {
  private worker: Worker;
  private stopped = false;

  constructor(
    private readonly of: BeatsOf,
    private readonly onReport: (report: BeatReport) => void,
  ) {
    this.worker = this.begin();
  }

  /** After this no beat is on its way from here. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.worker.terminate();
  }

  private begin(): Worker {
    const own = callingFile();
    const file = own.startsWith('file:') ? own : pathToFileURL(own);
    const worker = new Worker(new URL('./beat-worker.js', file), { workerData: this.of });
    worker.unref();
    worker.on('message', (report: BeatReport) => this.stopped || this.onReport(report));
    worker.on('error', (error) => {
      const code = error instanceof BerthError ? error.code : 'internal-error';
      this.onReport({ kind: 'failed', code, message: `The thread that beats: ${error.message}`, away: false });
      if (!this.stopped) this.worker = this.begin();
    });
    return worker;
  }
}

import { startRedis, type RedisServer } from '#testing';

import type { Measurement } from './measurement.js';
import { requireLinux } from './process-cpu.js';

/** What a bench is given: a Redis when it asks for one, and a place for what must be undone whatever happens. */
export interface BenchContext {
  /** Starts a Redis of this bench alone; it is stopped at the end. */
  redis: () => Promise<RedisServer>;
  /** Called when the bench is over, has failed or was interrupted; the last one first. */
  atEnd: (undo: () => Promise<void>) => void;
  /** A line for the person who waits. */
  progress: (line: string) => void;
}

export interface Bench {
  name: string;
  /** After so long the bench counts as failed, milliseconds. */
  timeoutMs: number;
  /** It reads processor times, which Linux alone shows. */
  linux?: true;
  run: (context: BenchContext) => Promise<Measurement[]>;
}

/** Runs a bench under its time limit, and undoes what it started. Throws what the bench throws. */
export async function runBench(bench: Bench, interrupted: AbortSignal): Promise<Measurement[]> {
  if (bench.linux) requireLinux();
  const undos: (() => Promise<void>)[] = [];
  const context: BenchContext = {
    async redis() {
      const server = await startRedis();
      undos.push(() => server.stop());
      return server;
    },
    atEnd: (undo) => undos.push(undo),
    progress: (line) => process.stderr.write(`${bench.name}: ${line}\n`),
  };
  const stopped = stop(AbortSignal.any([interrupted, AbortSignal.timeout(bench.timeoutMs)]), bench);
  try {
    return await Promise.race([bench.run(context), stopped]);
  } finally {
    for (const undo of undos.toReversed()) await undo();
  }
}

function stop(signal: AbortSignal, { name, timeoutMs }: Bench): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => {
      const interrupted = (signal.reason as Error).name !== 'TimeoutError';
      reject(new Error(interrupted ? `${name} was interrupted` : `${name} took longer than ${timeoutMs / 1000} s`));
    };
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

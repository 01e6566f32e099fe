import { setTimeout as elapsed } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { flushLog, type Logger } from '../logging/logger.js';
import { stopGracefully } from './graceful-stop.js';
import { StopSteps } from './stop-steps.js';

/** Of a stop as a whole. `npm start` kills after 20 s, orchestrators commonly after 30. */
const STOP_MS = 18_000;
/** What a thread that works for this process may still take when all else has ended. */
const THREADS_MS = 1_000;
/** After `STOP_MS`, in which the process may say what hangs. */
const LAST_WORD_MS = 1_500;

/** A thread in a call of the system: a disk, a pipe or a name server that does not answer keeps it there. `process.exit` waits for it. */
const IN_SYSTEM_CALL = /^(FSReq|GetAddrInfo|GetNameInfo)/;

/** It needs nothing of the main thread, which may be what hangs. */
const KILLER = `
  const { pid, afterMs } = require('node:worker_threads').workerData;
  setTimeout(() => process.kill(pid, 'SIGKILL'), afterMs);
`;

let stopping: Promise<never> | undefined;

/**
 * Stops the app and ends the process: with `code` once all of it has stopped, with 1 if that failed or took longer than `STOP_MS`; then
 * the log names what hung. Ends in any case, by SIGKILL where nothing else ends it. A second call waits for the first.
 */
export async function stopProcess(
  app: NestFastifyApplication,
  logger: Logger,
  code: number,
  steps = new StopSteps(logger),
): Promise<never> {
  stopping ??= stopAll(app, logger, code, steps);
  return await stopping;
}

async function stopAll(app: NestFastifyApplication, logger: Logger, code: number, steps: StopSteps): Promise<never> {
  flushLog(logger); // should the main thread hang, this is all that anybody learns
  const killer = new Worker(KILLER, {
    eval: true,
    workerData: { pid: process.pid, afterMs: STOP_MS + LAST_WORD_MS },
  });
  killer.unref();
  const stopped = stopGracefully(app, undefined, steps).then(
    () => 'stopped' as const,
    (error: unknown) => ({ error }),
  );
  const outcome = await Promise.race([stopped, elapsed(STOP_MS, 'late' as const)]);
  if (outcome === 'stopped') {
    logger.info('Stopped');
    return await end(logger, code);
  }
  if (outcome === 'late') {
    logger.error({ hung: steps.unfinished, after_ms: STOP_MS }, 'Not stopped in time; ending all the same');
  } else {
    logger.error({ err: outcome.error }, 'Stopping failed');
  }
  return await end(logger, 1);
}

async function end(logger: Logger, code: number): Promise<never> {
  for (let left = THREADS_MS; inSystemCalls().length > 0 && left > 0; left -= 20) await elapsed(20);
  const hung = inSystemCalls();
  if (hung.length === 0) process.exit(code);
  logger.error(
    { hung },
    'A call of the system does not return: a disk, a pipe or a name server hangs; killing this process',
  );
  flushLog(logger);
  process.kill(process.pid, 'SIGKILL');
  return await new Promise<never>(() => {});
}

function inSystemCalls(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => IN_SYSTEM_CALL.test(kind));
}

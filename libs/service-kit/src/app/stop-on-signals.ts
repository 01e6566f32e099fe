import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { pause } from '#basics';

import type { Logger } from '../logging/logger.js';
import { drain } from './graceful-stop.js';
import { stopProcess } from './process-stop.js';
import { StopSteps } from './stop-steps.js';

/** Ctrl-C reaches a child twice: from the terminal, and from a parent that passes it on. Only a later one means more. */
const SAME_SIGNAL_MS = 500;

type Wish = 'none' | 'drain' | 'stop' | 'exit';

/**
 * SIGTERM drains: the process is not ready any more, serves on for `graceMs`, then stops in order. SIGINT, or a second SIGTERM, stops in order
 * at once; one more signal ends the process where it is, with 1.
 */
export function stopOnSignals(app: NestFastifyApplication, logger: Logger, graceMs: number): void {
  const steps = new StopSteps(logger);
  const grace = new AbortController();
  let wish: Wish = 'none';
  let last: { signal: NodeJS.Signals; at: number } | undefined;

  const stop = async (signal: NodeJS.Signals) => {
    if (signal === 'SIGTERM' && graceMs > 0) {
      logger.info({ signal, grace_ms: graceMs }, 'Draining');
      drain(app, steps).catch(() => {}); // what fails in it fails in the stop, which waits for the same
      await pause(graceMs, grace.signal);
    }
    logger.info({ signal }, 'Stopping');
    await stopProcess(app, logger, 0, steps);
  };

  const onSignal = (signal: NodeJS.Signals) => {
    const at = performance.now();
    const isRecent = last !== undefined && at - last.at < SAME_SIGNAL_MS;
    if (isRecent && (signal === last?.signal || wish === 'stop')) return;
    last = { signal, at };
    const isFirst = wish === 'none';
    wish = wish === 'stop' ? 'exit' : isFirst && signal === 'SIGTERM' ? 'drain' : 'stop';
    if (wish === 'exit') process.exit(1);
    if (wish === 'stop') grace.abort();
    if (isFirst) void stop(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

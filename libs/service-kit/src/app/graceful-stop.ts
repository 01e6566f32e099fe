import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { ReadinessChecks } from '../health/readiness.js';
import type { Logger } from '../logging/logger.js';
import { LOGGER } from '../tokens.js';
import { closeSilentConnections } from './silent-connections.js';
import { StopSteps } from './stop-steps.js';

/** Requests that last longer than this are cut off: orchestrators commonly kill after 30 s. */
const DRAIN_MS = 10_000;

/** For who has just connected to say something. */
const FIRST_WORD_MS = 1_000;

/** Is not ready any more, and ends the work that nobody's request waits for; resolves when that has ended. Serves all the same. */
export async function drain(app: NestFastifyApplication, steps: StopSteps): Promise<void> {
  app.get(ReadinessChecks).drain();
  steps.bound(app);
  await steps.endWork();
}

/**
 * Drains, stops accepting, lets requests in flight finish, then destroys modules in order (`onModuleDestroy`), and Redis last
 * (`onApplicationShutdown`). A part that hangs is left behind after some seconds, with a line in the log.
 */
export async function stopGracefully(
  app: NestFastifyApplication,
  drainMs: number = DRAIN_MS,
  steps = new StopSteps(app.get<Logger>(LOGGER)),
): Promise<void> {
  const workEnded = drain(app, steps);
  workEnded.catch(() => {}); // it is waited for below
  const server = app.getHttpServer();
  await whatArrivedIsRead();
  // Not through Fastify, whose hooks would run before the modules that may still need them.
  const drained = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const besides = steps.serving.map((part) => part.stopServing(drainMs));
  // A connection becomes idle when its last request is answered, and would stay open for the next one.
  const sweep = setInterval(() => void whatArrivedIsRead().then(() => server.closeIdleConnections()), 20);
  const silent = setTimeout(() => closeSilentConnections(server), FIRST_WORD_MS);
  const cut = setTimeout(() => server.closeAllConnections(), drainMs);
  await Promise.all([drained, ...besides]);
  clearInterval(sweep);
  clearTimeout(silent);
  clearTimeout(cut);
  await workEnded;
  await app.close();
}

/** After the sockets were looked at: a connection whose next request waits to be read does not count as idle then. */
async function whatArrivedIsRead(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

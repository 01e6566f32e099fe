import { storeFaultOf } from '#session-core';

import type { Logger } from '../logging/logger.js';

export interface ConnectionLog {
  /** For `onError` of `connectRedis`. */
  (error: Error): void;
  /** For the event `ready`. */
  recovered(): void;
}

/** One line when Redis is lost and one when it is back, not one for each attempt to reconnect. */
export function logConnection(logger: Logger, purpose: string): ConnectionLog {
  let lost = false;
  const log = (error: Error) => {
    if (!lost) logger.error({ purpose, cause: storeFaultOf(error)?.sentence, err: error }, 'Redis connection lost');
    lost = true;
  };
  const recovered = () => {
    if (lost) logger.info({ purpose }, 'Redis connection restored');
    lost = false;
  };
  return Object.assign(log, { recovered });
}

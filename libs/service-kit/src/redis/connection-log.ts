import type { RedisConfig } from '#config';
import { storeFaultOf } from '#session-core';

import type { Logger } from '../logging/logger.js';

export interface ConnectionLog {
  /** For `onError` of `connectRedis`. */
  (error: Error): void;
  /** For the event `ready`. */
  recovered(): void;
}

/** One line when Redis is lost and one when it is back, not one for each attempt to reconnect. */
export function logConnection(logger: Logger, purpose: string, { nodes }: Pick<RedisConfig, 'nodes'>): ConnectionLog {
  // As they were configured: what a sentinel or a cluster names instead nobody has written anywhere.
  const configured = nodes.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`));
  let lost = false;
  const log = (error: Error) => {
    const cause = storeFaultOf(error)?.sentence;
    if (!lost) logger.error({ purpose, configured, cause, err: error }, 'Redis connection lost');
    lost = true;
  };
  const recovered = () => {
    if (lost) logger.info({ purpose }, 'Redis connection restored');
    lost = false;
  };
  return Object.assign(log, { recovered });
}

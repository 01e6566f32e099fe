import type { Redis } from 'ioredis';

import { NotConnectedError } from '#session-core';

/** What ioredis itself sends while it connects. */
const HANDSHAKE: ReadonlySet<string> = new Set(['hello', 'auth', 'select', 'client', 'readonly', 'info', 'himport']);

/** Why there is no connection, as far as it was heard; nothing while there is one. */
export interface LastRefusal {
  error: Error | undefined;
}

/**
 * Lets commands that meet no connection fail with NotConnectedError, whose cause is why there is none: a password that is refused, a name
 * that is not found. ioredis says so once, as an event, and to commands that they cannot be written.
 */
export function explainRefusals(redis: Redis, last: LastRefusal): void {
  redis.on('error', (error) => (last.error = error));
  redis.on('ready', () => (last.error = undefined));
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, ...rest) => {
    if (redis.status === 'ready' || (redis.status === 'connect' && HANDSHAKE.has(command.name))) {
      return send(command, ...rest);
    }
    command.reject(notConnected(redis.status, last));
    return command.promise;
  };
}

export function notConnected(status: string, { error }: LastRefusal): NotConnectedError {
  return new NotConnectedError(
    `Redis is not connected (${status})`,
    error === undefined ? undefined : { cause: error },
  );
}

import type { Redis } from 'ioredis';

import { NotConnectedError } from '#session-core';

/** What ioredis itself sends while it connects. */
const HANDSHAKE: ReadonlySet<string> = new Set(['hello', 'auth', 'select', 'client', 'readonly', 'info', 'himport']);

/**
 * Lets commands that meet no connection fail with NotConnectedError, whose cause is why there is none: a password that is refused, a name
 * that is not found. ioredis says so once, as an event, and to commands that they cannot be written.
 */
export function explainRefusals(redis: Redis): void {
  let why: Error | undefined;
  redis.on('error', (error) => (why = error));
  redis.on('ready', () => (why = undefined));
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, ...rest) => {
    if (redis.status === 'ready' || HANDSHAKE.has(command.name)) return send(command, ...rest);
    command.reject(notConnected(redis.status, why));
    return command.promise;
  };
}

export function notConnected(status: string, why: Error | undefined): NotConnectedError {
  return new NotConnectedError(`Redis is not connected (${status})`, why === undefined ? undefined : { cause: why });
}

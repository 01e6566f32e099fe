import type { EventEmitter } from 'node:events';

import type { Redis } from 'ioredis';

/** What ioredis has of a client, but keeps out of its types. */
interface Connecting {
  connector: { connect(...args: unknown[]): Promise<EventEmitter> };
}

/**
 * Lets a connection that is over fail once more in silence. ioredis listens to one error of each connection; one with TLS may have a second,
 * an alert of the server that arrives when the first has destroyed it, and an error that nobody listens to ends the process.
 *
 * To be called before the client connects.
 */
export function hearLateErrors(redis: Redis): void {
  const { connector } = redis as unknown as Connecting;
  const connect = connector.connect.bind(connector);
  connector.connect = async (...args) => {
    const stream = await connect(...args);
    stream.on('error', () => {});
    return stream;
  };
}

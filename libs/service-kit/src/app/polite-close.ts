import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Once the process drains, each answer closes its connection and says so (`Connection: close`): its client leaves before the server does,
 * and no request meets a connection that is being closed.
 *
 * A request that came before the one ahead of it on the same connection was answered is answered too: the last answer closes. Costs nothing
 * before.
 */
export function closePolitely(server: Server, draining: AbortSignal): void {
  const newest = new WeakMap<Socket, { response: ServerResponse; keepAlive: boolean }>();
  const begin = () =>
    server.prependListener('request', ({ socket }, response) => {
      const earlier = newest.get(socket);
      if (earlier !== undefined && !earlier.response.headersSent) {
        earlier.response.shouldKeepAlive = earlier.keepAlive;
      }
      newest.set(socket, { response, keepAlive: response.shouldKeepAlive });
      response.shouldKeepAlive = false;
    });
  draining.addEventListener('abort', begin, { once: true });
}

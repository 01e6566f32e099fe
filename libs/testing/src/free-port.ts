import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

// Below every system's range of ephemeral ports (Linux 32768, macOS 49152). A port from that range can be taken by any
// outgoing connection while its server restarts, and a client that dials it meanwhile may connect to itself.
const LOWEST = 15_000;
const HIGHEST = 32_000;

const handedOut = new Set<number>();

/**
 * A port that is free on 127.0.0.1 for TCP and UDP, and that this process has not handed out before.
 *
 * Another process may still take it before the caller binds it: 1 in 17,000 per racer. Callers that start a server retry.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if (handedOut.has(port)) continue;
    if ((await isFreeTcp(port)) && (await isFreeUdp(port))) {
      handedOut.add(port);
      return port;
    }
  }
}

function isFreeTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function isFreeUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}

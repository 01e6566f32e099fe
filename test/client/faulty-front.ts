import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * `deaf` takes connections and hands nothing on; `mute` hands requests on and loses the answers; `slow` keeps answers back for three seconds;
 * `busy` answers 503 as a gateway whose store is away; `foreign` answers 502 as a proxy without a gateway; `closed` breaks every connection; `streamless` is a proxy
 * that refuses the stream of commands.
 */
export type Fault = 'none' | 'streamless' | 'deaf' | 'mute' | 'slow' | 'busy' | 'foreign' | 'closed';

const SLOW_MS = 3_000;

const answer = (status: string, type: string, headers: string, body: string) =>
  `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;

const CANNED: Partial<Record<Fault, string>> = {
  busy: answer(
    '503 Service Unavailable',
    'application/problem+json',
    'retry-after: 1\r\n',
    JSON.stringify({
      type: 'urn:berth:problem:store-unavailable',
      title: 'The store does not answer',
      status: 503,
      detail: 'Redis cannot serve',
      code: 'store-unavailable',
      sip: { code: 503, reason: 'Service Unavailable' },
    }),
  ),
  foreign: answer('502 Bad Gateway', 'text/html', '', '<h1>502</h1>'),
};

/** Stands before a gateway, and plays faults of the way to it. */
export class FaultyFront {
  fault: Fault = 'none';
  /** Pieces of requests that came, whatever became of them. */
  requests = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  static async start(target: string): Promise<FaultyFront> {
    const server = createServer();
    const front = new FaultyFront(server, new URL(target));
    server.on('connection', (client) => front.serve(client));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From now on; `closed` breaks the connections that there are, too. */
  play(fault: Fault): void {
    this.fault = fault;
    if (fault === 'closed') for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(client: Socket): void {
    this.keep(client);
    if (this.fault === 'closed') {
      client.destroy();
      return;
    }
    const gateway = this.keep(connect({ port: Number(this.target.port), host: this.target.hostname }));
    client.on('data', (bytes) => {
      this.requests += 1;
      const isRefused = this.fault === 'streamless' && bytes.toString().startsWith('GET ');
      const canned = CANNED[isRefused ? 'foreign' : this.fault];
      if (canned !== undefined) client.write(canned);
      else if (this.fault !== 'deaf') gateway.write(bytes);
    });
    gateway.on('data', (bytes) => {
      if (this.fault === 'slow') setTimeout(() => client.write(bytes), SLOW_MS).unref();
      else if (this.fault !== 'mute') client.write(bytes);
    });
    // A connection that leads nowhere does not even learn of its end.
    client.on('close', () => void (this.fault === 'mute' || gateway.destroy()));
    gateway.on('close', () => client.destroy());
  }

  private keep(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    return socket;
  }
}

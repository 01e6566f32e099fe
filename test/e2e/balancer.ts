import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as elapsed } from 'node:timers/promises';

/** As often as a probe may look, and so long nobody knows that a server is not ready any more. */
const PROBE_EVERY_MS = 200;

interface Target {
  url: URL;
  ready: boolean;
}

/**
 * Hands connections, not requests, in turn to those of the servers whose `/health/ready` was 200 when it was last looked at, as the Service of an
 * orchestrator does: a connection that is kept stays where it is.
 */
export class Balancer {
  /** Connections that could not be handed on. */
  lost = 0;
  private readonly sockets = new Set<Socket>();
  private readonly stopping = new AbortController();
  private probing: Promise<unknown> = Promise.resolve();
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly targets: Target[],
  ) {}

  static async start(urls: readonly string[]): Promise<Balancer> {
    const server = createServer({ allowHalfOpen: true });
    const balancer = new Balancer(
      server,
      urls.map((url) => ({ url: new URL(url), ready: true })),
    );
    server.on('connection', (client) => balancer.handOn(client));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    balancer.probing = Promise.all(balancer.targets.map((target) => balancer.probe(target)));
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  isReady(url: string): boolean {
    return this.targets.some((target) => target.ready && target.url.href === new URL(url).href);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const socket of this.sockets) socket.destroy();
    await Promise.all([this.probing, new Promise((resolve) => this.server.close(resolve))]);
  }

  private async probe(target: Target): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const url = new URL('/health/ready', target.url);
      const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(1_000) }).catch(
        () => null,
      );
      await answer?.arrayBuffer();
      target.ready = answer?.ok === true;
      await elapsed(PROBE_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  private handOn(client: Socket): void {
    const ready = this.targets.filter((target) => target.ready);
    const target = ready[(this.turn += 1) % ready.length];
    if (target === undefined) {
      this.lost += 1;
      client.destroy();
      return;
    }
    const server = connect({ port: Number(target.url.port), host: target.url.hostname, allowHalfOpen: true });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => this.sockets.delete(one));
    }
    server.on('error', () => (this.lost += server.connecting ? 1 : 0));
  }
}

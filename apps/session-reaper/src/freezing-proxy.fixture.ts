import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy that can go silent for some of its connections: they stay open, and nothing passes. */
export interface FreezingProxy {
  readonly port: number;
  /** Silences every connection, present and future, that has ever carried this text from the client. */
  freeze(text: string): void;
  thaw(): void;
  stop(): Promise<void>;
}

export async function startFreezingProxy(targetPort: number): Promise<FreezingProxy> {
  const links = new Set<Link>();
  let frozen: string | null = null;
  const server = createServer((client) => {
    const link = new Link(client, connect(targetPort, '127.0.0.1'), () => frozen);
    links.add(link);
    client.once('close', () => links.delete(link));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    freeze(text) {
      frozen = text;
    },
    thaw() {
      frozen = null;
      for (const link of links) link.release();
    },
    async stop() {
      for (const link of links) link.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Link {
  private carried = '';
  private held: (() => void)[] = [];

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly frozen: () => string | null,
  ) {
    client.on('data', (chunk) => {
      this.carried += chunk.toString('latin1').toLowerCase();
      this.pass(() => server.write(chunk));
    });
    server.on('data', (chunk) => this.pass(() => client.write(chunk)));
    for (const socket of [client, server]) {
      socket.on('error', () => this.cut());
      socket.on('close', () => this.cut());
    }
  }

  release(): void {
    for (const send of this.held.splice(0)) send();
  }

  cut(): void {
    this.client.destroy();
    this.server.destroy();
  }

  private pass(send: () => void): void {
    const text = this.frozen();
    if (text !== null && this.carried.includes(text.toLowerCase())) this.held.push(send);
    else send();
  }
}

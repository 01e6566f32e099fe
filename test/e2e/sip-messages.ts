import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** A SIP user agent of single datagrams, for what SIPp cannot do: repeat a message, or send one at a chosen moment. */
export class SipSocket {
  /** Everything that arrived, oldest first. */
  readonly received: string[] = [];

  private constructor(
    private readonly socket: Socket,
    readonly port: number,
  ) {
    socket.on('message', (message) => this.received.push(message.toString()));
  }

  static async open(): Promise<SipSocket> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new SipSocket(socket, socket.address().port);
  }

  /** Resolves when the datagram has left. */
  send(message: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.send(message, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** The status lines of the responses to one method, e.g. `487 Request Terminated`. */
  statuses(method: string): string[] {
    return this.received
      .filter((message) => new RegExp(`^CSeq: \\d+ ${method}\\r$`, 'm').test(message))
      .flatMap((message) => /^SIP\/2\.0 (\d{3} [^\r]*)/.exec(message)?.[1] ?? []);
  }

  stop(): void {
    this.socket.close();
  }
}

export interface SipRequest {
  method: 'INVITE' | 'CANCEL' | 'NOTIFY';
  user: string;
  callId: string;
  /** Where answers go. */
  port: number;
  /** The tag of the caller; the same request with another one is another transaction of another dialog. */
  tag?: string;
}

/** A request of the first transaction of a call; the same arguments give the same bytes. */
export function sipRequest({ method, user, callId, port, tag = '1' }: SipRequest): string {
  return [
    `${method} sip:callee@example.com SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK-${callId}-${tag}`,
    `From: <sip:${user}@example.com>;tag=${tag}`,
    'To: <sip:callee@example.com>',
    `Call-ID: ${callId}`,
    `CSeq: 1 ${method}`,
    `Contact: <sip:${user}@127.0.0.1:${port}>`,
    'Max-Forwards: 70',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
}

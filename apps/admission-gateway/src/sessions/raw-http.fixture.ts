import { Agent, request } from 'node:http';

export interface RawAnswer {
  status: number;
  body: Record<string, unknown>;
}

/** A client that sends a path as it is: `fetch` and `inject` would take `.` and `..` away. */
export class RawClient {
  private readonly agent = new Agent({ keepAlive: true });

  constructor(private readonly port: number) {}

  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<RawAnswer> {
    const payload = body === undefined ? '' : JSON.stringify(body);
    const headers = { 'content-length': Buffer.byteLength(payload), 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.port, method, path, headers, agent: this.agent },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (part: string) => (text += part));
          answer.on('error', reject);
          answer.on('end', () => {
            const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
            resolve({ status: answer.statusCode ?? 0, body: parsed });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

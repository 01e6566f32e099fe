import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface RecordedRequest {
  path: string;
  body: string;
  /** What the gateway answered; absent until then. */
  status?: number;
}

/** Stands before a gateway, passes everything on, remembers what was asked, and can keep the questions waiting. */
export interface FrontDoor {
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  /** From now on requests wait until `open`. */
  shut(): void;
  open(): void;
  stop(): Promise<void>;
}

export async function startFrontDoor(targetUrl: string): Promise<FrontDoor> {
  const requests: RecordedRequest[] = [];
  const gate = new EventEmitter();
  let isShut = false;

  const pass = async (request: IncomingMessage) => {
    const body = await buffer(request);
    const record: RecordedRequest = { path: request.url ?? '', body: body.toString() };
    requests.push(record);
    if (isShut) await once(gate, 'open');
    const answer = await fetch(`${targetUrl}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { 'content-type': request.headers['content-type'] ?? 'application/json' },
      body,
    });
    record.status = answer.status;
    return answer;
  };
  const server = createServer((request, response) => {
    void pass(request)
      .then(async (answer) => {
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' });
        response.end(Buffer.from(await answer.arrayBuffer()));
      })
      .catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The front door has no port');

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    shut() {
      isShut = true;
    },
    open() {
      isShut = false;
      gate.emit('open');
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

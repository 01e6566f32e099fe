// Sends admissions over keep-alive connections, in a process of its own so that its work is not counted with the server's.
// Talks to its parent: in `LoadOrder`, out `LoadResult`. Ends with its parent.
import autocannon from 'autocannon';

import { admissionBody } from './http-admissions.js';

/** Sends the admissions number `from` to `from + count - 1` to a server. */
export interface LoadOrder {
  url: string;
  from: number;
  count: number;
  connections: number;
}

/** How many answers had which status; requests without an answer are under `none`. */
export type LoadResult = Record<string, number>;

process.on('disconnect', () => process.exit());
process.on('message', (order: LoadOrder) => {
  void send(order).then((result) => process.send?.(result));
});

async function send({ url, from, count, connections }: LoadOrder): Promise<LoadResult> {
  const bodies = Array.from({ length: count }, (_, index) => JSON.stringify(admissionBody(from + index)));
  const headers = { 'content-type': 'application/json' };
  const { statusCodeStats, errors } = await autocannon({
    url,
    connections,
    amount: count,
    requests: [
      {
        method: 'POST',
        path: '/v1/sessions',
        headers,
        setupRequest: (request) => ({ ...request, body: bodies.pop() ?? '{}' }),
      },
    ],
  });
  const counts = Object.entries(statusCodeStats).map(([status, { count: answers }]) => [status, answers] as const);
  return { ...Object.fromEntries(counts), ...(errors > 0 && { none: errors }) };
}

// Sends admissions over keep-alive connections, in a process of its own so that its work is not counted with the server's.
// Talks to its parent: in `LoadOrder`, out `LoadResult`. Ends with its parent.
import autocannon from 'autocannon';

import { admissionBody } from './http-admissions.js';
import type { LoadOrder, LoadResult } from './load-processes.js';

process.on('disconnect', () => process.exit());
process.on('message', (order: LoadOrder) => {
  void send(order).then((result) => process.send?.(result));
});

async function send({ url, from, count, inFlight }: LoadOrder): Promise<LoadResult> {
  const bodies = Array.from({ length: count }, (_, index) => JSON.stringify(admissionBody(from + index)));
  const headers = { 'content-type': 'application/json' };
  const begin = performance.now();
  let last = begin;
  const run = autocannon({
    url,
    connections: inFlight,
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
  // The run itself ends with a full second, however soon its last answer came.
  run.on('response', () => (last = performance.now()));
  const { statusCodeStats, errors } = await run;
  const counts = Object.entries(statusCodeStats).map(([status, { count: answers }]) => [status, answers] as const);
  const answers = { ...Object.fromEntries(counts), ...(errors > 0 && { none: errors }) };
  return { answers, seconds: (last - begin) / 1_000 };
}

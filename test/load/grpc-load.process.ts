// Sends admissions over gRPC, in a process of its own so that its work is not counted with the server's.
// Talks to its parent: in `LoadOrder`, out `LoadResult`. Ends with its parent.
import { Client, credentials, status } from '@grpc/grpc-js';

import { methodOf } from './grpc-method.js';
import { admissionBody } from './http-admissions.js';
import { forEachInFlight } from './in-flight.js';
import type { LoadOrder, LoadResult } from './load-processes.js';

/** As many nodes ask one gateway; each has one connection for all its calls. */
const CONNECTIONS = 4;

const { path, definition } = methodOf('Admit');

process.on('disconnect', () => process.exit());
process.on('message', (order: LoadOrder) => {
  void send(order).then((result) => process.send?.(result));
});

const clients = new Map<string, Client[]>();

/** Connections are kept from one order to the next. */
function clientsOf(url: string): Client[] {
  let some = clients.get(url);
  if (some === undefined) {
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    some = Array.from({ length: CONNECTIONS }, () => new Client(url, credentials.createInsecure(), options));
    clients.set(url, some);
  }
  return some;
}

async function send({ url, from, count, inFlight }: LoadOrder): Promise<LoadResult> {
  const messages = Array.from({ length: count }, (_, index) => messageOf(from + index));
  const connected = clientsOf(url);
  const answers: LoadResult['answers'] = {};
  const begin = performance.now();
  await forEachInFlight(count, inFlight, async (index) => {
    const name = await admit(connected[index % CONNECTIONS] as Client, messages[index] ?? {});
    answers[name] = (answers[name] ?? 0) + 1;
  });
  return { answers, seconds: (performance.now() - begin) / 1_000 };
}

async function admit(client: Client, message: object): Promise<string> {
  const { requestSerialize, responseDeserialize } = definition;
  return await new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error) =>
      resolve(error === null ? 'OK' : `${status[error.code]} ${error.details}`),
    );
  });
}

/** The body of `POST /v1/sessions` as its message. */
function messageOf(index: number): object {
  const { metadata, direction, ...fields } = admissionBody(index);
  const text = Object.entries(metadata ?? {}).map(([key, value]) => ({ key, value: { stringValue: String(value) } }));
  return { ...fields, direction: `DIRECTION_${direction?.toUpperCase()}`, metadata: { fields: text } };
}

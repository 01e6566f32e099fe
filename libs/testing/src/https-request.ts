import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';

export interface HttpsAnswer {
  status: number;
  body: string;
  /** The name (CN) of the certificate that the server showed. */
  server: string;
}

/** One request by `node:https`, on a connection of its own unless the options have an agent. Rejects where the connection fails. */
export async function httpsRequest(
  url: string,
  options: RequestOptions & { body?: string } = {},
): Promise<HttpsAnswer> {
  const { body, ...rest } = options;
  const sent = request(url, { agent: false, ...rest });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  sent.end(body);
  const [response] = await answered;
  const { CN } = (response.socket as TLSSocket).getPeerCertificate().subject;
  return { status: response.statusCode ?? 0, body: await text(response), server: [CN].flat().join() };
}

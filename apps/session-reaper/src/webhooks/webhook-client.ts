import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';

import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig, WebhookConfig } from '#config';
import { CONFIG } from '#service-kit';

import { assertPublicIfAddress, publicLookup } from './public-address.js';
import { signature } from './signature.js';

const TIMEOUT_MS = 5_000;
/** An answer to a page of commands with causes is a third of this. */
const MAX_ANSWER_BYTES = 512 * 1_024;

/** `accepted`: a 2xx answer with this body. `failed`: anything else, and why. */
export type WebhookAnswer = { kind: 'accepted'; body: string } | { kind: 'failed'; reason: string };

/** Calls webhooks: their own URLs and nothing else, however they answer. */
@Injectable()
export class WebhookClient {
  private readonly allowPrivate: boolean;

  constructor(@Inject(CONFIG) { commands }: BerthConfig) {
    this.allowPrivate = commands.allowPrivate;
  }

  /** POSTs JSON, signed. Never rejects; takes at most 5 s. */
  async post(
    { url, secret }: Pick<WebhookConfig, 'url' | 'secret'>,
    body: string,
    stop: AbortSignal,
  ): Promise<WebhookAnswer> {
    // Not AbortSignal.any: in Node 20 the signal that lives longest keeps all the others.
    const giveUp = new AbortController();
    const abort = () => giveUp.abort();
    const timer = setTimeout(abort, TIMEOUT_MS);
    stop.addEventListener('abort', abort);
    if (stop.aborted) abort();
    const { signal } = giveUp;
    try {
      const target = new URL(url);
      if (!this.allowPrivate) assertPublicIfAddress(target.hostname);
      const answer = await this.send(target, body, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          'User-Agent': 'berth',
          'Berth-Signature': signature(secret, body, Date.now()),
        },
        // No connection is kept: each is made to an address that was looked at.
        agent: false,
        signal,
        ...(!this.allowPrivate && { lookup: publicLookup }),
      });
      return await outcomeOf(answer);
    } catch (error) {
      return { kind: 'failed', reason: signal.aborted ? `no answer within ${TIMEOUT_MS} ms` : messageOf(error) };
    } finally {
      clearTimeout(timer);
      stop.removeEventListener('abort', abort);
    }
  }

  private send(target: URL, body: string, options: RequestOptions): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = target.protocol === 'https:' ? tlsRequest : plainRequest;
      request(target, options, resolve).on('error', reject).end(body);
    });
  }
}

async function outcomeOf(answer: IncomingMessage): Promise<WebhookAnswer> {
  const { statusCode = 0 } = answer;
  if (statusCode < 200 || statusCode > 299) {
    answer.destroy();
    return { kind: 'failed', reason: `status ${statusCode}` };
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES)
      return { kind: 'failed', reason: `the answer has more than ${MAX_ANSWER_BYTES} bytes` };
    parts.push(part);
  }
  return { kind: 'accepted', body: Buffer.concat(parts).toString() };
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

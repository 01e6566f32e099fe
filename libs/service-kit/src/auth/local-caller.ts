import type { IncomingMessage } from 'node:http';

import type { BerthConfig } from '#config';

import { ProblemException } from '../problems/problem.js';
import { isLoopback } from './safe-binding.js';

/** A host name or a dotted IPv4 address, or an IPv6 address in brackets, and a port; nothing that a URL parser would read otherwise. */
const AUTHORITY = /^([a-z]+|[\d.]+|\[[\da-f]*:[\da-f:.]*\])(?::\d*)?$/i;
const ORIGIN = /^(https?):\/\/([^/?#@]+)$/i;
const ABSOLUTE_TARGET = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i;
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
const DEFAULT_PORT: Record<string, RegExp> = { http: /:(?:80)?$/, https: /:(?:443)?$/ };

/** What a request says of whom it is for, and of where it comes from. */
export type Asked = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders'>;

/**
 * The refusal for a caller that a service that asks for no keys must not answer: it lets programs of this machine call, and no web page that a browser of
 * this machine shows. Null for those that it lets in, and wherever there are keys.
 *
 * `misdirected-request` unless the request is for a loopback host: a name that an attacker's DNS points here makes the attacker's page and this
 * service one origin. `forbidden` where a page of another origin would change something: browsers send such requests and keep only the answer
 * from the page.
 */
export function foreignCaller(config: Pick<BerthConfig, 'auth'>, request: Asked): ProblemException | null {
  if (config.auth.keys.length > 0) return null;
  const host = hostOf(request);
  if (host === null || !isLoopbackAuthority(host)) {
    return new ProblemException(
      'misdirected-request',
      'Without keys only requests for localhost, 127.0.0.0/8 or [::1] are answered: set keys, or let the proxy send Host: localhost',
    );
  }
  if (READING.has(request.method ?? '')) return null;
  const { origin, 'sec-fetch-site': site } = request.headers;
  if ((origin === undefined || isOwnOrigin(origin, host)) && site !== 'cross-site') return null;
  return new ProblemException(
    'forbidden',
    'Without keys no page of another origin may change anything: set keys, or call without Origin and Sec-Fetch-Site',
  );
}

/** Whom the request is for: the target where it is a whole URL, else `Host` (RFC 9112 3.2.2). Null without one, and where there are several. */
function hostOf({ url = '', headers, rawHeaders }: Asked): string | null {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) if (isHost(rawHeaders[index]!)) hosts += 1;
  if (hosts !== 1 || headers.host === undefined) return null;
  const target = ABSOLUTE_TARGET.exec(url);
  return target === null ? headers.host : (target[1] ?? '');
}

const isHost = (name: string) => name.length === 4 && name.toLowerCase() === 'host';

function isLoopbackAuthority(authority: string): boolean {
  const host = AUTHORITY.exec(authority)?.[1];
  return host !== undefined && isLoopback(host);
}

function isOwnOrigin(origin: string, host: string): boolean {
  const [, scheme = '', authority] = ORIGIN.exec(origin.toLowerCase()) ?? [];
  const defaultPort = DEFAULT_PORT[scheme];
  if (authority === undefined || defaultPort === undefined) return false;
  return authority.replace(defaultPort, '') === host.toLowerCase().replace(defaultPort, '');
}

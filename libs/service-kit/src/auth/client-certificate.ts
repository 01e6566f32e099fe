import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import type { BerthConfig } from '#config';

import { ProblemException } from '../problems/problem.js';

/** By which section of the configuration a caller is served. */
export type Served = 'http' | 'grpc';

const NOTHING_WRONG = '';
const faults = new WeakMap<Socket, string>();

/**
 * The refusal for a caller that shows no certificate that one of `client_ca_file` signed; null for the others, and where none is asked for.
 *
 * `forbidden`, with what is wrong. It is refused here and not in the handshake, so that the caller gets a reason, and so that probes, which have no
 * certificate, are answered.
 */
export function uncertifiedCaller(
  config: Pick<BerthConfig, Served>,
  served: Served,
  { socket }: Pick<IncomingMessage, 'socket'>,
): ProblemException | null {
  const { tls } = config[served];
  if (tls === null || tls.clientCa === null) return null;
  const fault = faults.get(socket) ?? faultOf(socket);
  faults.set(socket, fault);
  if (fault === NOTHING_WRONG) return null;
  return new ProblemException(
    'forbidden',
    `Show a client certificate that an authority in ${served}.tls.client_ca_file signed: ${fault}`,
  );
}

function faultOf(socket: Socket): string {
  if (!(socket instanceof TLSSocket)) return 'the connection has none';
  // Node calls a session authorized that is resumed without a certificate, as TLS 1.3 resumes them.
  if (socket.getPeerX509Certificate() === undefined) return 'none was shown';
  if (socket.authorized) return NOTHING_WRONG;
  return `the one that was shown is refused (${String(socket.authorizationError)})`;
}

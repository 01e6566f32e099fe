import type { SecureContextOptions, TlsOptions } from 'node:tls';

import type { HttpTls } from '#config';

/** Sooner than a stop cuts off requests, so that who connects and says nothing does not hold it up. */
const HANDSHAKE_TIMEOUT_MS = 5_000;

/** For `https.createServer`. A client certificate is judged with the request, where the refusal can carry its reason: see `uncertifiedCaller`. */
export function tlsOptions(tls: HttpTls): TlsOptions {
  return {
    ...contextOptions(tls),
    requestCert: tls.clientCa !== null,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

/** What may change while the server runs, for `setSecureContext`. */
export function contextOptions({ cert, key, clientCa }: HttpTls): SecureContextOptions {
  return { cert, key, ...(clientCa !== null && { ca: clientCa }) };
}

import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import type { HttpTls } from './berth.config.js';
import type { ConfigFiles } from './config-files.js';
import type { HttpTlsSection } from './schema/services.schema.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

/**
 * What HTTPS, or gRPC, is served with; null where the file does not ask for it, or cannot have it: then `problems` says of which file and what to do.
 *
 * A certificate that has expired is a problem, one that is not valid yet is not: clocks differ.
 */
export function resolveTls(
  name: 'http.tls' | 'grpc.tls',
  section: HttpTlsSection | undefined,
  files: ConfigFiles,
  problems: string[],
  nowMs = Date.now(),
): HttpTls | null {
  if (section === undefined) return null;
  const { cert_file, key_file, client_ca_file } = section;
  const found: string[] = [];
  const read = (key: string, path: string) => files.readPem(path, `${name}.${key}`, found);
  const cert = read('cert_file', cert_file);
  const key = read('key_file', key_file);
  const clientCa = client_ca_file === undefined ? null : read('client_ca_file', client_ca_file);
  if (found.length === 0 && cert !== null && key !== null) {
    const named = { cert: `found "${cert_file}"`, key: `found "${key_file}"` };
    const chain = certificatesIn(cert, `${name}.cert_file: ${named.cert}`, nowMs, found);
    const secret = keyIn(key, `${name}.key_file: ${named.key}`, found);
    if (clientCa !== null) certificatesIn(clientCa, `${name}.client_ca_file: found "${client_ca_file}"`, nowMs, found);
    if (found.length === 0 && secret !== null && chain[0]?.checkPrivateKey(secret) === false) {
      found.push(
        `${name}.key_file: ${named.key}, which does not fit the certificate in "${cert_file}"; ` +
          'name the key that it was made with; the certificate of the server comes first in its file',
      );
    }
    if (found.length === 0) found.push(...unusable({ cert, key, clientCa }, `${name}.cert_file: ${named.cert}`));
  }
  problems.push(...found);
  return found.length > 0 || cert === null || key === null ? null : { cert, key, clientCa };
}

function certificatesIn(pem: string, where: string, nowMs: number, problems: string[]): X509Certificate[] {
  const written = pem.match(CERTIFICATE) ?? [];
  if (written.length === 0) problems.push(`${where}, which holds no certificate; expected -----BEGIN CERTIFICATE-----`);
  return written.flatMap((text) => {
    const certificate = orNull(() => new X509Certificate(text));
    if (certificate === null) {
      problems.push(`${where}, which holds a certificate that cannot be read; write the file again`);
      return [];
    }
    if (Date.parse(certificate.validTo) < nowMs) {
      problems.push(`${where}, which expired at ${new Date(certificate.validTo).toISOString()}; put a new one there`);
    }
    return [certificate];
  });
}

function keyIn(pem: string, where: string, problems: string[]): KeyObject | null {
  const key = orNull(() => createPrivateKey(pem));
  if (key === null) {
    const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem);
    const why = isEncrypted ? 'which has a passphrase; write it without one' : 'which holds no private key';
    problems.push(`${where}, ${why}; expected -----BEGIN PRIVATE KEY-----`);
  }
  return key;
}

/** What OpenSSL itself refuses, such as a key that is too short. */
function unusable({ cert, key, clientCa }: HttpTls, where: string): string[] {
  try {
    createSecureContext({ cert, key, ca: clientCa ?? undefined });
    return [];
  } catch (error) {
    return [`${where}, which cannot be served: ${(error as Error).message}`];
  }
}

function orNull<T>(make: () => T): T | null {
  try {
    return make();
  } catch {
    return null;
  }
}

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const openssl = async (...args: string[]) => void (await promisify(execFile)('openssl', args));
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** PEM files and what is in them. */
export interface TestCertificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

/** An authority that signs certificates for `localhost` and 127.0.0.1, with files in a directory of the test; it needs `openssl`. */
export interface TestAuthority {
  caFile: string;
  ca: string;
  /** `days`: how long it is valid, 2 by default; one below 0 has expired. */
  issue(name: string, options?: { days?: number }): Promise<TestCertificate>;
}

export async function makeAuthority(dir: string, name: string): Promise<TestAuthority> {
  const [caFile, caKey] = [join(dir, `${name}.ca.pem`), join(dir, `${name}.ca.key`)];
  await openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', caKey, '-out', caFile);
  const extensions = join(dir, `${name}.extensions`);
  await writeFile(extensions, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  return {
    caFile,
    ca: await readFile(caFile, 'utf8'),
    async issue(subject, { days = 2 } = {}) {
      const [certFile, keyFile] = [join(dir, `${subject}.pem`), join(dir, `${subject}.key`)];
      const request = join(dir, `${subject}.csr`);
      await openssl('req', '-new', ...NEW_KEY, '-subj', `/CN=${subject}`, '-keyout', keyFile, '-out', request);
      const signer = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-extfile', extensions];
      await openssl('x509', '-req', '-in', request, ...signer, '-days', String(days), '-out', certFile);
      return {
        certFile,
        keyFile,
        cert: await readFile(certFile, 'utf8'),
        key: await readFile(keyFile, 'utf8'),
      };
    },
  };
}

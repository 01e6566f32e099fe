import { get } from 'node:http';
import { get as getSecurely } from 'node:https';
import { text } from 'node:stream/consumers';

const LIMIT_MS = 5_000;

/**
 * What the app at this address says of its readiness: `{ ok, status, text }`. Its certificate is not checked, since it is that of another name. Throws
 * where nothing answers in time.
 *
 * @param {string} url
 */
export async function readiness(url) {
  const signal = AbortSignal.timeout(LIMIT_MS);
  /** @type {import('node:http').IncomingMessage} */
  const response = await new Promise((resolve, reject) => {
    const options = { signal, agent: false, rejectUnauthorized: false };
    const request = (url.startsWith('https:') ? getSecurely : get)(`${url}/health/ready`, options, resolve);
    request.on('error', (error) => reject(signal.aborted ? new Error('no answer in time') : error));
  });
  const status = response.statusCode ?? 0;
  return { ok: status >= 200 && status < 300, status, text: await text(response) };
}

import { createHmac } from 'node:crypto';

/**
 * The header `Berth-Signature`: the time in seconds, and the HMAC-SHA256 of that time, a dot and the body. Who has the secret
 * can tell that the request is Berth's and how old it is.
 */
export function signature(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000);
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${digest}`;
}

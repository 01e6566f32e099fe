import { readEnded } from '../model/record.js';
import type { EndedSession } from '../model/session.js';
import { ReplyReader } from './reply.js';

/** The sessions that a script ended, from entries {sessionId, record}; decoded as they are read, once. */
export function* endedIn(tenant: string, entries: unknown[]): Generator<EndedSession> {
  for (const entry of entries) {
    const packed = new ReplyReader(entry);
    yield readEnded(tenant, packed.text(), packed.bytes());
  }
}

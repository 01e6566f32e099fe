import type { SessionOutcome } from '../model/decision.js';
import { readEnded, readSession } from '../model/record.js';
import { ReplyReader } from './reply.js';

/** Reads the reply that confirm, renew and get share: live, ended or unknown. */
export function readOutcome(reply: unknown, tenant: string, sessionId: string): SessionOutcome {
  const reader = new ReplyReader(reply);
  switch (reader.text()) {
    case 'live': {
      const packed = reader.bytes();
      const parts = { due: reader.text(), lastActivity: reader.text(), traffic: reader.bytes() };
      // Read when it is looked at: who renews a session in passing does not look.
      return {
        kind: 'live',
        get session() {
          return readSession(tenant, sessionId, packed, parts);
        },
      };
    }
    case 'ended':
      return { kind: 'ended', session: reader.done() ? null : readEnded(tenant, sessionId, reader.bytes()) };
    case 'unknown':
      return { kind: 'unknown' };
    default:
      return reader.fail();
  }
}

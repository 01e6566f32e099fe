import { z } from 'zod';

import { duration, durationOrOff, section, setting } from './fields.schema.js';

const protocolPolicy = section({
  idle_timeout: setting(durationOrOff().optional(), {
    text: 'Ends a session without activity for so long; 0 or below: never.',
    unit: 's',
  }),
  session_timeout: setting(durationOrOff().optional(), {
    text: 'The longest a session may last; 0 or below: no such end.',
    unit: 's',
  }),
  reservation: setting(duration().optional(), {
    text: 'How long a session may stay reserved before it is confirmed.',
    unit: 's',
  }),
});

export const PROTOCOL = /^[a-z0-9-]{1,16}$/;

/** One policy per protocol, and how long an ended session is remembered. */
export const sessionsSection = z
  .strictObject({
    tombstone: setting(duration().optional(), {
      text: 'How long an ending that its node reported is remembered, so that retries get the same answer.',
      unit: 's',
      default: 60,
    }),
  })
  .catchall(protocolPolicy);

export type ProtocolPolicy = z.output<typeof protocolPolicy>;
export type SessionsSection = z.output<typeof sessionsSection>;

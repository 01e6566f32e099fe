import { z } from 'zod';

import { limit, oneOf, section, setting, text, wholeNumber } from './fields.schema.js';

/** Which part of a SIP message names the user, and when two names are one user. */
export const identitySection = section({
  case: setting(oneOf(['fold', 'keep']).optional(), {
    text: 'fold: Alice and alice are one user. Registered with the tenant; `npm run tenant -- rekey` changes it.',
    default: 'fold',
  }),
  domain: setting(oneOf(['drop', 'keep']).optional(), {
    text: 'drop: alice@a.example and alice@b.example are one user. Registered with the tenant, as `case` is.',
    default: 'drop',
  }),
  user_from: setting(oneOf(['from', 'asserted', 'user']).optional(), {
    text: 'Where the user is taken from: the From URI, P-Asserted-Identity, or the `user` given outright.',
    default: 'from',
  }),
  anonymous: setting(z.preprocess((value) => (value === 'unlimited' ? 0 : value), limit()).optional(), {
    text: 'Limit of the user `anonymous`: `unlimited` or a number.',
    unit: 'sessions',
    default: 'unlimited',
  }),
});

export type IdentitySection = z.output<typeof identitySection>;

const answer = (code: number, reason: string) =>
  section({
    code: setting(wholeNumber(400, 699).default(code), { text: 'The status code.' }),
    reason: setting(text('a line of at most 128 characters', /^[^\x00-\x1f\x7f]{1,128}$/).default(reason), {
      text: 'The reason phrase.',
    }),
  }).prefault({});

/** What a SIP server should answer its caller. */
export const sipSection = section({
  user: setting(answer(486, 'Busy Here'), { text: 'When the user is at its limit.' }),
  group: setting(answer(486, 'Busy Here'), { text: 'When a group is at its limit.' }),
  ip_rate: setting(answer(486, 'Busy Here'), { text: 'When a source address opens too many sessions.' }),
  total: setting(answer(503, 'Service Unavailable'), { text: 'When the tenant is at its limit.' }),
  unavailable: setting(answer(503, 'Service Unavailable'), { text: 'When Redis is away.' }),
  ended: setting(answer(503, 'Service Unavailable'), { text: 'When the session has ended before.' }),
});

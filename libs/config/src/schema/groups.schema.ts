import { LIMIT_ACTIONS } from '#session-core';

import { callsPerSecond, limit, mapOf, oneOf, section, setting, text, wholeNumber } from './fields.schema.js';

/** Of a class and of a kind of group. */
export const SHORT_NAME = /^[a-z0-9-]{1,32}$/;

const group = () => text('a group, written kind:name');
const byName = <V extends Parameters<typeof mapOf>[0]>(value: V) => mapOf(value, 'a group name', /^.+$/s);

export const rate = section({
  per_second: setting(callsPerSecond(), {
    text: 'Sessions that may start each second, over a longer time; a fraction too. 0 or below: no rate.',
    unit: 'sessions/s',
  }),
  burst: setting(wholeNumber(1, 100_000), { text: 'Of these, so many may start at once.', unit: 'sessions' }),
});

/** The settings of the groups of one kind. */
export const groupKind = section({
  default: setting(limit().optional(), {
    text: 'Limit of each group of this kind without one of its own.',
    unit: 'sessions',
    default: 0,
  }),
  action: setting(oneOf(LIMIT_ACTIONS).optional(), {
    text: 'As `limits.session_limit_action`, at the limit of a group of this kind.',
    default: 'reject',
  }),
  overrides: setting(byName(limit()).optional(), {
    text: 'Limits of single groups by name.',
    unit: 'sessions',
    default: {},
  }),
  parents: setting(byName(group()).optional(), {
    text:
      'By name: the group (`kind:name`) that this one is within. A session of this one is in that one too, and needs room in both; at most ' +
      'four levels up.',
    default: {},
  }),
  rate: setting(rate.optional(), { text: 'How fast sessions may start in each group without a rate of its own.' }),
  rates: setting(byName(rate).optional(), { text: 'Rates of single groups by name.' }),
});

export const reserve = section({
  group: setting(group(), {
    text: 'Whose sessions: `kind:name`. Emergency sessions are in `priority:emergency` by themselves.',
  }),
  places: setting(wholeNumber(0, 1_000_000_000), {
    text: 'Kept for them: others find the limit full when only these are left. At most the limit; 0: none.',
    unit: 'sessions',
  }),
});

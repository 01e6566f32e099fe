import { expect, it } from '@jest/globals';
import type { z } from 'zod';

import { parseBody } from '#service-kit';

import { groupBody, kindBody } from './groups/groups.schema.js';
import { changeBody, temporaryLimitBody } from './limits/fields.schema.js';
import { limitsBody, namedLimitBody, userClassBody, userLimitBody } from './limits/limits.schema.js';
import { terminateBody } from './sessions/sessions.schema.js';
import { simulationBody } from './simulation/simulation.schema.js';

const RATE = { per_second: 1, burst: 2 };
const CHANGE = { reason: 'why', on_lower: 'drain' };
const SETTINGS = {
  enabled: true,
  enable_session_limits: true,
  max_sessions_per_user: 5,
  session_limit_action: 'reject',
  max_total_sessions: 9,
  total_limit_action: 'reject',
  max_sessions_per_ip_per_hour: 7,
  session_creation_alert_threshold: 8,
  classes: { gold: 20 },
  observe: ['total'],
  reserves: {},
};

/** Every body of limits-admin that may be sent, with each field that null says nothing of. */
const BODIES: [name: string, schema: z.ZodType, body: Record<string, unknown>][] = [
  ['PUT /limits', limitsBody, { ...SETTINGS, ...CHANGE, version: 3 }],
  ['PUT /limits/:username', userLimitBody, CHANGE],
  ['PUT /limits/-', namedLimitBody, { username: 'alice', ...CHANGE }],
  ['PUT /users/:username/class', userClassBody, { class: 'gold', ...CHANGE }],
  ['PUT /groups/:kind', kindBody, { default: 3, action: 'reject', ...CHANGE }],
  ['PUT /groups/:kind/:name', groupBody, { limit: 3, observe: true, ...CHANGE }],
  ['POST …/temporary-limit', temporaryLimitBody, { limit: 3, duration: 60, ...CHANGE }],
  ['DELETE', changeBody, CHANGE],
  ['DELETE /:sessionId', terminateBody, { reason: 'why' }],
  [
    'POST /limits:simulate',
    simulationBody,
    { ...SETTINGS, groups: { trunk: { default: 3 } }, user_session_limits: { a: 1 } },
  ],
];

function outcome(schema: z.ZodType, body: unknown): unknown {
  try {
    // A reason may be kept as null or not at all: both say nothing.
    const { reason = null, ...parsed } = parseBody(schema, body) as { reason?: string | null };
    return JSON.parse(JSON.stringify({ ...parsed, reason }));
  } catch (error) {
    return (error as { members: unknown }).members;
  }
}

it.each(BODIES)('null equals absent in %s', (_name, schema, body) => {
  for (const field of Object.keys(body)) {
    const { [field]: _, ...rest } = body;
    expect([field, outcome(schema, { ...rest, [field]: null })]).toEqual([field, outcome(schema, rest)]);
  }
});

it('null takes away where it has that meaning', () => {
  expect(parseBody(limitsBody, { user_rate: null, classes: { gold: null }, reserves: { total: null } })).toMatchObject({
    settings: { userRate: null, classes: { gold: null }, reserves: { total: null } },
  });
  expect(parseBody(kindBody, { rate: null })).toMatchObject({ rate: null });
  expect(parseBody(groupBody, { parent: null, rate: RATE, reserve: null })).toMatchObject({
    parent: null,
    reserve: null,
  });
});

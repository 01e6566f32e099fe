import { z } from 'zod';

import type { OperationSpec } from '#service-kit';

import { count } from '../answers.schema.js';
import { actionWord, limitNumber } from '../limits/answers.schema.js';

const tenantAnswer = z
  .strictObject({
    name: z.string(),
    shards: z.int().min(1),
    activeSessions: count(),
    users: count().describe('With live sessions'),
    nodesLive: count().describe('Nodes that beat'),
    limits: z.strictObject({
      enabled: z.boolean(),
      max_sessions_per_user: limitNumber(),
      session_limit_action: actionWord(),
      max_total_sessions: limitNumber(),
      version: count(),
    }),
  })
  .meta({ id: 'Tenant', description: 'A tenant from above' });

const ACME = {
  name: 'acme',
  shards: 1,
  activeSessions: 128,
  users: 97,
  nodesLive: 3,
  limits: {
    enabled: true,
    max_sessions_per_user: 10,
    session_limit_action: 'reject',
    max_total_sessions: 1_000,
    version: 4,
  },
};

/** The tenants that a caller may see: with keys its own, without keys all that are configured. */
export const TENANTS = {
  list: {
    summary: 'Lists the tenants that the caller may see',
    description: 'That of the key; without keys all that are configured.',
    answers: { 200: z.strictObject({ tenants: z.array(tenantAnswer), total: count() }) },
    problems: ['store-unavailable'],
    example: { answer: { tenants: [ACME], total: 1 } },
  },
  show: {
    summary: 'Shows one tenant',
    params: z.object({ name: z.string() }),
    answers: { 200: tenantAnswer },
    problems: ['not-found', 'store-unavailable'],
    example: { answer: ACME },
  },
} as const satisfies Record<string, OperationSpec>;

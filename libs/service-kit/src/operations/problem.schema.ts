import { z } from 'zod';

import { LIMIT_SCOPES } from '#session-core';

import { PROBLEMS, type ProblemCode } from '../problems/problem-table.js';

const count = () => z.int().min(0);

/** One limit at the moment of a decision. */
export const limitStateAnswer = z
  .strictObject({
    scope: z.enum(LIMIT_SCOPES),
    key: z.string().describe('The user, the group (kind:name) or the address; * for the total'),
    max: count().describe('0: unlimited'),
    active: count(),
    reserved: count().optional().describe('Places of max that are kept free for its reserve'),
    observed: z.literal(true).optional().describe('It is only measured: it was full and refused nobody'),
    retryAfterMs: count().optional().describe('Of a rate: after so long there is room again'),
  })
  .meta({ id: 'LimitState', description: 'One limit at the moment of the decision' });

/** Problem details (RFC 9457) with all members that any code has; strict, as the schemas of answers are. */
export const problemSchema = z
  .strictObject({
    type: z.string().describe('urn:berth:problem: and the code'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What went wrong, and what to do'),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    error: z.string().optional().describe('Under /api: the sentence of detail'),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Of invalid-request: each field, and what it should be'),
    decision: z.literal('rejected').optional().describe('Of a refusal by limits'),
    limits: z.array(limitStateAnswer).optional().describe('Of a refusal: every limit that was full'),
    policyVersion: count().optional().describe('Of a refusal: of the limits that decided'),
    currentEpoch: z.int().nullable().optional().describe('Of stale-epoch: the present start of the node'),
    sip: z
      .strictObject({ code: z.int(), reason: z.string() })
      .optional()
      .describe('What a SIP server should answer its caller'),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' });

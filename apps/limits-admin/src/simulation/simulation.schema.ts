import { z } from 'zod';

import { action, className, limit, rate } from '../limits/fields.schema.js';
import { refuseDisagreement, settingsFields, settingsOf } from '../limits/limits.schema.js';
import type { ProposedLimits } from './proposed.js';

const groupKind = z
  .object({
    default: limit().optional(),
    action: action().optional(),
    overrides: z.record(z.string(), limit()).optional(),
    parents: z.record(z.string(), z.string()).optional(),
    rate: rate().optional(),
    rates: z.record(z.string(), rate()).optional(),
  })
  .transform(
    (body) => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as typeof body,
  );

/** Body of `POST /limits:simulate`: what would be changed. Kinds of groups are named as classes are. */
export const simulationBody = z
  .object({
    ...settingsFields,
    groups: z.record(className(), groupKind).optional(),
    user_session_limits: z.record(z.string(), limit()).optional(),
  })
  .superRefine(refuseDisagreement)
  .transform((body): ProposedLimits => ({
    settings: settingsOf(body),
    groups: body.groups ?? {},
    users: body.user_session_limits ?? {},
  }));

import { z } from 'zod';

import type { OperationSpec } from '#service-kit';

import { count, pageFields } from '../answers.schema.js';
import {
  actionWord,
  changed,
  lent,
  limitNumber,
  NOTHING_IN_USE,
  originAnswer,
  rateAnswer,
  reserveAnswer,
  temporaryAnswer,
  unchanged,
} from '../limits/answers.schema.js';
import { changeBody, temporaryLimitBody } from '../limits/fields.schema.js';
import { CHANGE_PROBLEMS } from '../limits/limits.operations.js';
import { groupBody, groupPath, groupsQuery, kindBody, kindPath } from './groups.schema.js';

/** The settings of a group or a kind beside its number. */
const details = {
  action: actionWord(),
  rate: rateAnswer.nullable(),
  observed: z.boolean().describe('It is only measured'),
  reserve: reserveAnswer.nullable(),
  temporary: temporaryAnswer.nullable(),
  origin: originAnswer.nullable(),
};

const groupAnswer = z
  .strictObject({
    group: z.string().describe('kind:name'),
    kind: z.string(),
    name: z.string(),
    limit: limitNumber().describe('In force; 0: unlimited'),
    activeSessions: count(),
    parent: z.string().nullable().describe('The group that it is within'),
    ancestors: z.array(z.string()).describe('All that it is within, the nearest first'),
    ...details,
  })
  .meta({ id: 'Group', description: 'A group, and what holds for it' });

const kindFields = {
  kind: z.string(),
  configured: z.boolean().describe('false: it has no settings; it is tracked, and unlimited'),
  default: limitNumber().describe('Of each group without a limit of its own; 0: unlimited'),
  ...details,
};
const kindAnswer = z
  .strictObject(kindFields)
  .meta({ id: 'GroupKind', description: 'A kind of groups, and what holds for its groups' });

const groupPage = { groups: z.array(groupAnswer).describe('Those with most sessions first'), ...pageFields };
const kind = { kind: z.string() };
const group = { group: z.string().describe('kind:name') };
const limited = z
  .strictObject({ ...group, limit: limitNumber(), ...changed })
  .meta({ id: 'GroupLimitChanged', description: 'The change is in force; limit is what holds now' });

const WEST = {
  group: 'trunk:west',
  kind: 'trunk',
  name: 'west',
  limit: 200,
  activeSessions: 41,
  parent: 'carrier:acme',
  ancestors: ['carrier:acme'],
  action: 'reject',
  rate: { per_second: 5, burst: 20 },
  observed: false,
  reserve: null,
  temporary: null,
  origin: { by: 'ops', at: '2026-11-21T16:23:08.637Z', reason: 'new contract' },
};
const TRUNK = {
  kind: 'trunk',
  configured: true,
  default: 100,
  action: 'reject',
  rate: null,
  observed: false,
  reserve: null,
  temporary: null,
  origin: null,
};

/** The limits of groups. */
export const GROUPS = {
  list: {
    summary: 'Lists kinds of groups, and the groups with live sessions or settings of their own',
    description: 'The same page and limit of both.',
    query: groupsQuery,
    answers: {
      200: z.strictObject({ kinds: z.array(kindAnswer).describe('By name'), totalKinds: count(), ...groupPage }),
    },
    problems: ['store-unavailable'],
    example: { answer: { kinds: [TRUNK], totalKinds: 1, groups: [WEST], total: 1, page: 1, limit: 50 } },
  },
  showKind: {
    summary: 'Shows one kind, with a page of its groups',
    params: kindPath,
    query: groupsQuery,
    answers: {
      200: z
        .strictObject({ ...kindFields, ...groupPage })
        .meta({ id: 'GroupKindPage', description: 'A kind, with a page of its groups' }),
    },
    problems: ['store-unavailable'],
  },
  changeKind: {
    summary: 'Changes the settings of a kind',
    description: 'What is absent stays; rate null is none.',
    params: kindPath,
    body: kindBody,
    answers: { 200: z.union([z.strictObject({ ...kind, ...changed }), z.strictObject({ ...kind, ...unchanged })]) },
    problems: CHANGE_PROBLEMS,
    example: {
      body: { default: 100 },
      answer: { success: true, kind: 'trunk', message: 'Limits of groups of kind trunk changed', ...NOTHING_IN_USE },
    },
  },
  resetKind: {
    summary: 'Restores what the configuration file says of a kind; limits of single groups stay',
    params: kindPath,
    body: changeBody,
    answers: { 200: z.strictObject({ ...kind, ...changed }) },
    problems: CHANGE_PROBLEMS,
  },
  showGroup: {
    summary: 'Shows one group',
    params: groupPath,
    answers: { 200: groupAnswer },
    problems: ['invalid-request', 'store-unavailable'],
    example: { answer: WEST },
  },
  changeGroup: {
    summary: 'Changes the settings of one group of a configured kind',
    description: 'What is absent stays; null takes parent, rate or reserve away.',
    params: groupPath,
    body: groupBody,
    answers: {
      200: z.union([
        z
          .strictObject({ ...group, temporary: temporaryAnswer.optional(), ...changed })
          .meta({ id: 'GroupChanged', description: 'The change is in force; temporary covers it for a while' }),
        z.strictObject({ ...group, ...unchanged }),
      ]),
    },
    problems: CHANGE_PROBLEMS,
    example: {
      body: { limit: 200, parent: 'carrier:acme', rate: { per_second: 5, burst: 20 }, reason: 'new contract' },
      answer: { success: true, group: 'trunk:west', message: 'Limits of group trunk:west changed', ...NOTHING_IN_USE },
    },
  },
  resetGroup: {
    summary: 'Removes the settings of a group: those of the file hold again, else those of its kind',
    params: groupPath,
    body: changeBody,
    answers: { 200: limited },
    problems: CHANGE_PROBLEMS,
  },
  lend: {
    summary: 'Sets a temporary limit of a group',
    params: groupPath,
    body: temporaryLimitBody,
    answers: {
      200: z
        .strictObject({ ...group, ...lent })
        .meta({ id: 'GroupLent', description: 'The temporary limit holds until then' }),
    },
    problems: CHANGE_PROBLEMS,
  },
  takeBack: {
    summary: 'Ends the temporary limit of a group',
    params: groupPath,
    body: changeBody,
    answers: { 200: limited },
    problems: CHANGE_PROBLEMS,
  },
} as const satisfies Record<string, OperationSpec>;

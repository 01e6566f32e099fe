import { Metadata, status as codes } from '@grpc/grpc-js';

import type { BerthConfig } from '#config';
import { problemAnswer, PROBLEMS, type FieldError, type ProblemException } from '#service-kit';
import type { LimitState } from '#session-core';

import { sipOfProblem } from '../sessions/decision.mapper.js';
import { encoded } from './descriptors.js';
import type { Message } from './session.mapper.js';

type SipAnswers = BerthConfig['sip'];

const DOMAIN = 'berth';
const DETAILS = 'grpc-status-details-bin';
/** So many wrong fields are named in the sentence; all of them are in the details. */
const MAX_IN_SENTENCE = 3;

/** How a call ends. */
export interface CallStatus {
  code: codes;
  details: string;
  metadata: Metadata;
}

/** google.rpc.Status. */
export interface StatusMessage {
  code: codes;
  message: string;
  details: { typeUrl: string; value: Buffer }[];
}

export function callStatus(message: StatusMessage): CallStatus {
  const metadata = new Metadata();
  metadata.set(DETAILS, encoded('google.rpc.Status', message));
  return { code: message.code, details: message.message, metadata };
}

/** An ErrorInfo, and what else the problem has to say. */
export function statusMessage(problem: ProblemException, sip: SipAnswers): StatusMessage {
  const members = { ...sipOfProblem(problem.code, sip), ...problem.members };
  const errors = fieldErrors(members);
  const retryAfter = problemAnswer(problem).headers['Retry-After'];
  const limits = (members['limits'] ?? []) as LimitState[];
  const details = [
    any('google.rpc.ErrorInfo', { reason: problem.code.toUpperCase().replaceAll('-', '_'), domain: DOMAIN }),
    ...(limits.length === 0 ? [] : [any('google.rpc.QuotaFailure', { violations: limits.map(violation) })]),
    ...(retryAfter === undefined
      ? []
      : [any('google.rpc.RetryInfo', { retryDelay: { seconds: Number(retryAfter), nanos: 0 } })]),
    ...(errors.length === 0
      ? []
      : [
          any('google.rpc.BadRequest', {
            fieldViolations: errors.map(({ path, message }) => ({ field: path, description: message })),
          }),
        ]),
    ...refusal(members),
  ];
  return { code: codes[PROBLEMS[problem.code].grpc], message: sentence(problem, errors), details };
}

function any(type: string, message: object) {
  return { typeUrl: `type.googleapis.com/${type}`, value: encoded(type, message) };
}

function violation({ scope, key, max, active, retryAfterMs }: LimitState) {
  const description = retryAfterMs === undefined ? `${active} of ${max}` : `calls too often, wait ${retryAfterMs} ms`;
  return { subject: `${scope}:${key}`, description };
}

/** What else the problem has in its members. */
function refusal({ limits, policyVersion, sip, currentEpoch }: Message) {
  if (sip === undefined && limits === undefined && currentEpoch === undefined) return [];
  return [any('berth.v1.Refusal', { limits, policyVersion, sip, currentEpoch })];
}

/** The wrong fields, by their names in the .proto files. */
function fieldErrors({ errors = [] }: Message): FieldError[] {
  return (errors as FieldError[]).map(({ path, message }) => ({ path: protoName(path), message }));
}

function sentence({ message }: ProblemException, errors: readonly FieldError[]): string {
  if (errors.length === 0) return message;
  const named = errors.slice(0, MAX_IN_SENTENCE).map(({ path, message: wrong }) => `${path}: ${wrong}`);
  return errors.length > MAX_IN_SENTENCE ? `${named.join('; ')}; …` : named.join('; ');
}

/** `sessions[3].startedAt` is `sessions[3].started_at`; what has other characters than a name is no field of ours. */
function protoName(path: string): string {
  return path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

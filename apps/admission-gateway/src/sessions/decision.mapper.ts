import type { BerthConfig } from '#config';
import { mayReadOf, ProblemException, PROBLEMS, problemType, type Principal, type ProblemCode } from '#service-kit';
import type { Admitted, Decision, LimitState, Rejected } from '#session-core';
import { rfc3339, sessionView } from '#session-wire';

import { refusalOf } from './refusal.js';

type SipAnswers = BerthConfig['sip'];

type Undecided = Exclude<Decision, Admitted | Rejected>['kind'];

/** Answers where no limit was asked: code, status, detail, and what the SIP caller hears. */
const UNDECIDED: Record<Undecided, [ProblemCode, number, string, keyof SipAnswers]> = {
  ended: ['session-ended', 409, 'This id and attempt have ended; a new attempt needs a larger number', 'ended'],
  'id-conflict': ['session-id-conflict', 409, 'This id lives with another user; every session needs its own', 'ended'],
  'stale-epoch': [
    'stale-epoch',
    409,
    'The node has a newer epoch, has left, or is lost until it beats again',
    'unavailable',
  ],
  'node-draining': ['node-draining', 409, 'The node takes no new sessions: an operator drains it', 'unavailable'],
  // Its own caller had hung up while Redis was slow; a retry is judged anew.
  withdrawn: ['store-unavailable', 503, 'This admission was given up before it was decided; try again', 'unavailable'],
};

/** The body of an admission. A key that is bound to nodes gets its own nodes' sessions that made room, not others'. */
export function admittedJson(
  caller: Principal,
  { session, limits, terminated, policyVersion }: Admitted,
  warnings: readonly string[],
) {
  const own = terminated.filter(({ node }) => mayReadOf(caller, node));
  return {
    decision: 'admitted',
    session: sessionView(session),
    limits,
    terminated: own.map(({ id, node, startedAtMs }) => ({ id, node, startedAt: rfc3339(startedAtMs) })),
    policyVersion,
    ...(warnings.length > 0 && { warnings }),
  };
}

/** The answer to a decision that does not let the session start, with what the SIP caller should hear. */
export function problemOfDecision(decision: Exclude<Decision, Admitted>, sip: SipAnswers): ProblemException {
  if (decision.kind === 'rejected') return problemOfRefusal(decision, sip);
  const [code, status, detail, answer] = UNDECIDED[decision.kind];
  const epoch = decision.kind === 'stale-epoch' ? { currentEpoch: decision.currentEpoch } : {};
  return new ProblemException(code, detail, { status, members: { ...epoch, sip: sip[answer] } });
}

function problemOfRefusal({ limits, policyVersion }: Rejected, sip: SipAnswers): ProblemException {
  const { code, sip: answer } = refusalOf(limits);
  return new ProblemException(code, `No place left: ${limits.map(sentenceOf).join(', ')}`, {
    members: { decision: 'rejected', limits, policyVersion, sip: sip[answer] },
    headers: retryAfter(limits),
  });
}

function sentenceOf({ scope, key, max, active, reserved, retryAfterMs }: LimitState): string {
  if (retryAfterMs !== undefined) return `${scope} ${key} calls too often, wait ${seconds(retryAfterMs)} s`;
  const kept = reserved === undefined ? '' : `, of which ${reserved} are reserved`;
  return `${scope} ${key} has ${active} of ${max}${kept}`;
}

/** Once every rate has room again; a limit on sessions says nothing about when. */
function retryAfter(limits: LimitState[]): Record<string, string> {
  const waitsMs = limits.flatMap(({ retryAfterMs }) => retryAfterMs ?? []);
  return waitsMs.length === 0 ? {} : { 'Retry-After': `${seconds(Math.max(...waitsMs))}` };
}

const seconds = (ms: number) => Math.ceil(ms / 1_000);

/** What an outage adds to the answer, whichever call meets it. */
export function sipOfProblem(code: ProblemCode, sip: SipAnswers): Record<string, unknown> {
  return code === 'store-unavailable' ? { sip: sip.unavailable } : {};
}

/** What `POST /v1/sessions` would answer to this decision, as a body. */
export function checkedJson(caller: Principal, decision: Decision, sip: SipAnswers, warnings: readonly string[]) {
  if (decision.kind === 'admitted') return admittedJson(caller, decision, warnings);
  const { code, status, message, members } = problemOfDecision(decision, sip);
  return {
    ...members,
    type: problemType(code),
    title: PROBLEMS[code].title,
    status,
    detail: message,
    code,
    ...(warnings.length > 0 && { warnings }),
  };
}

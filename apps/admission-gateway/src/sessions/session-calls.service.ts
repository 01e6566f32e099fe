import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, parseBody, unknownFields, type Principal } from '#service-kit';
import type { Admitted, Decision, Session, SessionRef } from '#session-core';
import {
  activityBody,
  admissionBody,
  admissionRequest,
  admissionWarnings,
  confirmBody,
  endBody,
  sessionView,
  unreadableView,
  type EndBody,
} from '#session-wire';

import { TenantsRepository } from '../tenants/tenants.repository.js';
import { AdmissionService } from './admission.service.js';
import { problemOfDecision } from './decision.mapper.js';
import { liveSession, sessionUnknown } from './outcome.mapper.js';
import { sessionRef, type Naming } from './session-ref.mapper.js';
import { SessionsService } from './sessions.service.js';
import { handedOver, userOf } from './transfer.mapper.js';
import { authenticateBody, transferBody } from './transfer.schema.js';
import { TransfersService } from './transfers.service.js';
import { ignored } from './warnings.js';

export interface AdmissionAnswer {
  decision: Admitted;
  warnings: string[];
  /** For a caller that this answer cannot reach. */
  takeBack: () => void;
}

/**
 * The calls on sessions, whatever the transport: it brings the body as it came, and gives the answer its form. Each throws `invalid-request` for a
 * body that is not as its schema says, and what is no success as the problem that it is.
 */
@Injectable()
export class SessionCalls {
  constructor(
    private readonly admission: AdmissionService,
    private readonly sessions: SessionsService,
    private readonly transfers: TransfersService,
    private readonly tenants: TenantsRepository,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  /** Admits, or throws the refusal. */
  async admit(caller: Principal, body: unknown): Promise<AdmissionAnswer> {
    const { request, warningsFor } = this.question(caller, body);
    const { decision, token } = await this.admission.admit(caller, request);
    if (decision.kind !== 'admitted') throw problemOfDecision(decision, this.config.sip);
    const takeBack = () => this.admission.takeBack(caller, request, token);
    return { decision, warnings: warningsFor(decision), takeBack };
  }

  /** What `admit` would decide. */
  async check(caller: Principal, body: unknown): Promise<{ decision: Decision; warnings: string[] }> {
    const { request, warningsFor } = this.question(caller, body);
    const decision = await this.admission.check(caller, request);
    return { decision, warnings: warningsFor(decision) };
  }

  async confirm(caller: Principal, named: Naming, body: unknown): Promise<Session> {
    const { sessionId, attempt } = parseBody(confirmBody, body);
    return liveSession(await this.sessions.confirm(caller, this.ref(caller, named, sessionId), attempt));
  }

  async renew(caller: Principal, named: Naming, body: unknown): Promise<Session> {
    const { sessionId, attempt, ...totals } = parseBody(activityBody, body);
    return liveSession(await this.sessions.renew(caller, this.ref(caller, named, sessionId), totals, attempt));
  }

  /** `over` wins over the same fields of the body. */
  async end(
    caller: Principal,
    named: Naming,
    body: unknown,
    over: Pick<EndBody, 'attempt' | 'reason'> = {},
  ): Promise<void> {
    const { sessionId, attempt, reason, ...totals } = parseBody(endBody, body);
    const ending = { attempt: over.attempt ?? attempt, note: over.reason ?? reason, totals };
    const { kind } = await this.sessions.end(caller, this.ref(caller, named, sessionId), ending);
    if (kind === 'unknown') throw sessionUnknown();
  }

  async authenticate(caller: Principal, named: Naming, body: unknown): Promise<Session> {
    const { sessionId, attempt, user } = parseBody(authenticateBody, body);
    const { config } = this.tenants.named(caller.tenant);
    const ref = this.ref(caller, named, sessionId);
    const outcome = await this.transfers.authenticate(caller, ref, userOf(user, config), attempt);
    return handedOver(outcome, this.config.sip);
  }

  async transfer(caller: Principal, named: Naming, body: unknown): Promise<Session> {
    const { sessionId, attempt, node, epoch = null, user, newId } = parseBody(transferBody, body);
    const { config } = this.tenants.named(caller.tenant);
    const ref = this.ref(caller, named, sessionId);
    const target = { node, epoch, newId, user: user === undefined ? undefined : userOf(user, config) };
    return handedOver(await this.transfers.transfer(caller, ref, target, attempt), this.config.sip);
  }

  /** The session as callers see it, live, ended or unreadable. */
  async get(caller: Principal, named: Naming) {
    const outcome = await this.sessions.get(caller, this.ref(caller, named));
    if (outcome.kind === 'ended' && outcome.session !== null) return sessionView(outcome.session);
    if (outcome.kind === 'unreadable') return unreadableView(outcome.session);
    return sessionView(liveSession(outcome));
  }

  private question(caller: Principal, body: unknown) {
    const fields = parseBody(admissionBody, body);
    const tenant = this.tenants.named(caller.tenant).config;
    const warningsFor = (decision: Decision) => [
      ...ignored(unknownFields(admissionBody, body)),
      ...admissionWarnings(fields, tenant, decision),
    ];
    return { request: admissionRequest(fields, tenant), warningsFor };
  }

  private ref({ tenant }: Principal, named: Naming, sessionId?: string): SessionRef {
    return sessionRef({ ...named, sessionId: named.sessionId ?? sessionId }, this.tenants.named(tenant).config);
  }
}

import { Body, Controller, Delete, Get, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import type { BerthConfig } from '#config';
import {
  Caller,
  CONFIG,
  ifUndelivered,
  Needs,
  Operation,
  parseBody,
  parseQuery,
  Tag,
  unknownFields,
  type Principal,
} from '#service-kit';
import type { Decision, SessionRef } from '#session-core';
import {
  activityBody,
  admissionBody,
  admissionRequest,
  admissionWarnings,
  confirmBody,
  endBody,
  endQuery,
  hintQuery,
  rfc3339OrNull,
  sessionView,
  unreadableView,
  type EndBody,
} from '#session-wire';

import { AdmissionService } from './admission.service.js';
import { SessionsService } from './sessions.service.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';
import { admittedJson, checkedJson, problemOfDecision } from './decision.mapper.js';
import { liveSession, sessionUnknown } from './outcome.mapper.js';
import { sessionRef } from './session-ref.mapper.js';
import { SESSIONS } from './sessions.operations.js';
import { ignored, warningsOf } from './warnings.js';

/** `/v1/sessions`: contracts of the data plane. */
@Controller('v1')
@Needs('node.speak')
@Tag('sessions')
export class SessionsController {
  constructor(
    private readonly admission: AdmissionService,
    private readonly sessions: SessionsService,
    private readonly tenants: TenantsRepository,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  /** 201 admitted, 200 admitted before; everything else is a problem. */
  @Post('sessions')
  @Operation(SESSIONS.create)
  async create(@Caller() caller: Principal, @Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply) {
    const { request, warningsFor } = this.question(caller, body);
    const { decision, token } = await this.admission.admit(caller, request);
    if (decision.kind !== 'admitted') throw problemOfDecision(decision, this.config.sip);
    ifUndelivered(reply, () => this.admission.takeBack(caller, request, token));
    void reply.code(decision.repeated ? 200 : 201);
    return admittedJson(caller, decision, warningsFor(decision));
  }

  /** What `POST /v1/sessions` would answer, without doing it. */
  @Post('sessions::check')
  @Operation(SESSIONS.check)
  async check(@Caller() caller: Principal, @Body() body: unknown) {
    const { request, warningsFor } = this.question(caller, body);
    const decision = await this.admission.check(caller, request);
    return checkedJson(caller, decision, this.config.sip, warningsFor(decision));
  }

  @Post('sessions/:id/confirm')
  @Operation(SESSIONS.confirm)
  async confirm(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { sessionId, attempt } = parseBody(confirmBody, body);
    const ref = this.ref(caller.tenant, id, sessionId, parseQuery(hintQuery, query).user);
    const session = liveSession(await this.sessions.confirm(caller, ref, attempt));
    return { ...sessionView(session), ...warningsOf(unknownFields(confirmBody, body)) };
  }

  @Post('sessions/:id/activity')
  @Operation(SESSIONS.activity)
  async activity(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { sessionId, attempt, ...totals } = parseBody(activityBody, body);
    const ref = this.ref(caller.tenant, id, sessionId, parseQuery(hintQuery, query).user);
    const { expiresAtMs } = liveSession(await this.sessions.renew(caller, ref, totals, attempt));
    return { expiresAt: rfc3339OrNull(expiresAtMs), ...warningsOf(unknownFields(activityBody, body)) };
  }

  @Post('sessions/:id/end')
  @Operation(SESSIONS.end)
  async end(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { sessionId, ...fields } = parseBody(endBody, body);
    const ref = this.ref(caller.tenant, id, sessionId, parseQuery(hintQuery, query).user);
    await this.endSession(caller, ref, fields);
  }

  /** The same as `end`, for clients that can send DELETE; what the query says counts before what the body says. */
  @Delete('sessions/:id')
  @Operation(SESSIONS.remove)
  async remove(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { sessionId, ...inBody } = parseBody(endBody, body);
    const { user, attempt = inBody.attempt, reason = inBody.reason } = parseQuery(endQuery, query);
    await this.endSession(caller, this.ref(caller.tenant, id, sessionId, user), { ...inBody, attempt, reason });
  }

  @Get('sessions/:id')
  @Operation(SESSIONS.get)
  @Needs('session.read')
  async get(@Caller() caller: Principal, @Param('id') id: string, @Query() query: unknown) {
    const ref = this.ref(caller.tenant, id, undefined, parseQuery(hintQuery, query).user);
    const outcome = await this.sessions.get(caller, ref);
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

  private ref(tenant: string, id: string, sessionId: string | undefined, user: string | undefined): SessionRef {
    return sessionRef({ id, sessionId, user }, this.tenants.named(tenant).config);
  }

  private async endSession(caller: Principal, ref: SessionRef, fields: Omit<EndBody, 'sessionId'>): Promise<void> {
    const { attempt, reason, ...totals } = fields;
    const { kind } = await this.sessions.end(caller, ref, { attempt, note: reason, totals });
    if (kind === 'unknown') throw sessionUnknown();
  }
}

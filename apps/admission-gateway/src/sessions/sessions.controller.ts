import { Body, Controller, Delete, Get, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import type { BerthConfig } from '#config';
import {
  Caller,
  CONFIG,
  ifUndelivered,
  Needs,
  Operation,
  parseQuery,
  Tag,
  unknownFields,
  type Principal,
} from '#service-kit';
import { activityBody, confirmBody, endQuery, hintQuery, rfc3339OrNull, sessionView } from '#session-wire';

import { admittedJson, checkedJson } from './decision.mapper.js';
import { SessionCalls } from './session-calls.service.js';
import { SESSIONS } from './sessions.operations.js';
import { warningsOf } from './warnings.js';

/** `/v1/sessions`: contracts of the data plane. */
@Controller('v1')
@Needs('node.speak')
@Tag('sessions')
export class SessionsController {
  constructor(
    private readonly calls: SessionCalls,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  /** 201 admitted, 200 admitted before; everything else is a problem. */
  @Post('sessions')
  @Operation(SESSIONS.create)
  async create(@Caller() caller: Principal, @Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply) {
    const { decision, warnings, takeBack } = await this.calls.admit(caller, body);
    ifUndelivered(reply, takeBack);
    void reply.code(decision.repeated ? 200 : 201);
    return admittedJson(caller, decision, warnings);
  }

  /** What `POST /v1/sessions` would answer, without doing it. */
  @Post('sessions::check')
  @Operation(SESSIONS.check)
  async check(@Caller() caller: Principal, @Body() body: unknown) {
    const { decision, warnings } = await this.calls.check(caller, body);
    return checkedJson(caller, decision, this.config.sip, warnings);
  }

  @Post('sessions/:id/confirm')
  @Operation(SESSIONS.confirm)
  async confirm(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const session = await this.calls.confirm(caller, named(id, query), body);
    return { ...sessionView(session), ...warningsOf(unknownFields(confirmBody, body)) };
  }

  @Post('sessions/:id/activity')
  @Operation(SESSIONS.activity)
  async activity(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { expiresAtMs } = await this.calls.renew(caller, named(id, query), body);
    return { expiresAt: rfc3339OrNull(expiresAtMs), ...warningsOf(unknownFields(activityBody, body)) };
  }

  @Post('sessions/:id/end')
  @Operation(SESSIONS.end)
  async end(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    await this.calls.end(caller, named(id, query), body);
  }

  /** The same as `end`, for clients that can send DELETE; what the query says counts before what the body says. */
  @Delete('sessions/:id')
  @Operation(SESSIONS.remove)
  async remove(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { user, attempt, reason } = parseQuery(endQuery, query);
    await this.calls.end(caller, { id, user }, body, { attempt, reason });
  }

  @Get('sessions/:id')
  @Operation(SESSIONS.get)
  @Needs('session.read')
  async get(@Caller() caller: Principal, @Param('id') id: string, @Query() query: unknown) {
    return await this.calls.get(caller, named(id, query));
  }
}

function named(id: string, query: unknown) {
  return { id, user: parseQuery(hintQuery, query).user };
}

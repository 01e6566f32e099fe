import { Body, Controller, Param, Post, Query } from '@nestjs/common';

import { Caller, Needs, Operation, parseQuery, Tag, unknownFields, type Principal } from '#service-kit';
import { hintQuery, sessionView } from '#session-wire';

import { SessionCalls } from './session-calls.service.js';
import { SESSIONS } from './sessions.operations.js';
import { authenticateBody, transferBody } from './transfer.schema.js';
import { warningsOf } from './warnings.js';

/** Calls that give a live session another user, node or id; each answers the session as it is then, and again when repeated. */
@Controller('v1/sessions/:id')
@Needs('node.speak')
@Tag('sessions')
export class TransferController {
  constructor(private readonly calls: SessionCalls) {}

  /** A session that was admitted without a user takes one. */
  @Post('authenticate')
  @Operation(SESSIONS.authenticate)
  async authenticate(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() body: unknown,
    @Query() query: unknown,
  ) {
    const session = await this.calls.authenticate(caller, { id, user: parseQuery(hintQuery, query).user }, body);
    return { ...sessionView(session), ...warningsOf(unknownFields(authenticateBody, body)) };
  }

  /** Another node takes the session over, for another user or under another id where the body names one. */
  @Post('transfer')
  @Operation(SESSIONS.transfer)
  async transfer(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const session = await this.calls.transfer(caller, { id, user: parseQuery(hintQuery, query).user }, body);
    return { ...sessionView(session), ...warningsOf(unknownFields(transferBody, body)) };
  }
}

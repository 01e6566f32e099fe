import { Body, Controller, Inject, Param, Post, Query } from '@nestjs/common';

import type { BerthConfig } from '#config';
import {
  Caller,
  CONFIG,
  Needs,
  Operation,
  parseBody,
  parseQuery,
  Tag,
  unknownFields,
  type Principal,
} from '#service-kit';
import { hintQuery, sessionView } from '#session-wire';

import { TenantsRepository } from '../tenants/tenants.repository.js';
import { TransfersService } from './transfers.service.js';
import { sessionRef } from './session-ref.mapper.js';
import { SESSIONS } from './sessions.operations.js';
import { handedOver, userOf } from './transfer.mapper.js';
import { authenticateBody, transferBody } from './transfer.schema.js';
import { warningsOf } from './warnings.js';

/** Calls that give a live session another user, node or id; each answers the session as it is then, and again when repeated. */
@Controller('v1/sessions/:id')
@Needs('node.speak')
@Tag('sessions')
export class TransferController {
  constructor(
    private readonly transfers: TransfersService,
    private readonly tenants: TenantsRepository,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  /** A session that was admitted without a user takes one. */
  @Post('authenticate')
  @Operation(SESSIONS.authenticate)
  async authenticate(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() body: unknown,
    @Query() query: unknown,
  ) {
    const { sessionId, attempt, user } = parseBody(authenticateBody, body);
    const { config } = this.tenants.named(caller.tenant);
    const ref = sessionRef({ id, sessionId, user: parseQuery(hintQuery, query).user }, config);
    const outcome = await this.transfers.authenticate(caller, ref, userOf(user, config), attempt);
    return {
      ...sessionView(handedOver(outcome, this.config.sip)),
      ...warningsOf(unknownFields(authenticateBody, body)),
    };
  }

  /** Another node takes the session over, for another user or under another id where the body names one. */
  @Post('transfer')
  @Operation(SESSIONS.transfer)
  async transfer(@Caller() caller: Principal, @Param('id') id: string, @Body() body: unknown, @Query() query: unknown) {
    const { sessionId, attempt, node, epoch = null, user, newId } = parseBody(transferBody, body);
    const { config } = this.tenants.named(caller.tenant);
    const ref = sessionRef({ id, sessionId, user: parseQuery(hintQuery, query).user }, config);
    const target = { node, epoch, newId, user: user === undefined ? undefined : userOf(user, config) };
    const outcome = await this.transfers.transfer(caller, ref, target, attempt);
    return { ...sessionView(handedOver(outcome, this.config.sip)), ...warningsOf(unknownFields(transferBody, body)) };
  }
}

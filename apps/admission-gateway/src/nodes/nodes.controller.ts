import { Body, Controller, Param, Post, Put } from '@nestjs/common';

import {
  BodyLimit,
  Caller,
  Needs,
  Operation,
  parseBody,
  parseQuery,
  Tag,
  unknownFields,
  type Principal,
} from '#service-kit';
import { heartbeatBody, leaveBody, snapshotBody } from '#session-wire';

import { warningsOf } from '../sessions/warnings.js';
import { NODES } from './nodes.operations.js';
import { nodePath } from './nodes.schema.js';
import { NodesService } from './nodes.service.js';

/** Batches of events and parts of snapshots may be this long. */
export const BATCH_BYTES = 1024 * 1024;

/** `/v1/nodes`: what nodes say of themselves. */
@Controller('v1/nodes')
@Needs('node.speak')
@Tag('nodes')
export class NodesController {
  constructor(private readonly nodes: NodesService) {}

  /** The answer says how often to beat, and whether a snapshot is wanted; `mark` goes into that snapshot. */
  @Post(':node/heartbeat')
  @Operation(NODES.heartbeat)
  async heartbeat(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { node } = parseQuery(nodePath, path);
    const answer = await this.nodes.beat(caller, node, parseBody(heartbeatBody, body));
    return { ...answer, ...warningsOf(unknownFields(heartbeatBody, body)) };
  }

  /** The node goes for good; what it holds has ended when this is answered. */
  @Post(':node/leave')
  @Operation(NODES.leave)
  async leave(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { node } = parseQuery(nodePath, path);
    await this.nodes.leave(caller, node, parseBody(leaveBody, body));
  }

  /** A part of the list of what the node holds; with the last part, what came of it. */
  @Put(':node/sessions')
  @Operation(NODES.snapshot)
  @BodyLimit(BATCH_BYTES)
  async snapshot(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { node } = parseQuery(nodePath, path);
    const answer = await this.nodes.snapshot(caller, node, parseBody(snapshotBody, body));
    return { ...answer, ...warningsOf(unknownFields(snapshotBody, body)) };
  }

  /** The same, for clients that cannot send PUT. */
  @Post(':node/sessions')
  @Operation(NODES.postSnapshot)
  @BodyLimit(BATCH_BYTES)
  async postSnapshot(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    return await this.snapshot(caller, path, body);
  }
}

import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';

import {
  assertMaySpeakForNode,
  Caller,
  maySpeakFor,
  Needs,
  Operation,
  parseBody,
  parseQuery,
  ProblemException,
  Tag,
  type Principal,
} from '#service-kit';
import { NodesStore, SnapshotsStore } from '#session-core';

import { Tenants } from '../tenants.service.js';
import { DrainNodeService } from './drain-node.service.js';
import { FuseService } from './fuse.service.js';
import { ForgetNodeService } from './forget-node.service.js';
import { NODES } from './nodes.operations.js';
import { drainBody, forgetBody, nodePath, nodesQuery } from './nodes.schema.js';
import { fuseView, nodeView } from './nodes.view.js';

/** Which nodes there are, and what was stopped because it would have ended too many sessions. */
@Controller('api/sessions')
@Tag('nodes')
export class NodesController {
  constructor(
    private readonly nodes: NodesStore,
    private readonly snapshots: SnapshotsStore,
    private readonly fuses: FuseService,
    private readonly forgetting: ForgetNodeService,
    private readonly draining: DrainNodeService,
    private readonly tenants: Tenants,
  ) {}

  @Get('nodes')
  @Operation(NODES.list)
  @Needs('sessions.read')
  async list(@Caller() caller: Principal, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const { page, limit } = parseQuery(nodesQuery, query);
    const isWanted = (node: string) => maySpeakFor(caller, node);
    const { nodes, total } = await this.nodes.list(tenant, { offset: (page - 1) * limit, limit, isWanted });
    const views = [];
    for (const node of nodes) views.push(nodeView(node, await this.snapshots.progress(tenant, node.node)));
    return { nodes: views, total, page, limit };
  }

  /** A node takes no new sessions, or takes them again. */
  @Put('nodes/:node')
  @Operation(NODES.drain)
  @Needs('nodes.drain')
  async drain(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { node } = parseQuery(nodePath, path);
    assertMaySpeakForNode(caller, node);
    const { draining } = parseBody(drainBody, body);
    const sessions = await this.draining.drain(this.tenants.of(caller), node, draining, caller);
    const takes = draining ? 'takes no new sessions' : 'takes new sessions again';
    return { success: true, node, draining, sessions, message: `Node ${node} ${takes}; it holds ${sessions}` };
  }

  /** Forgets a node and ends what it holds; needs the role that may end sessions. */
  @Delete('nodes/:node')
  @Operation(NODES.forget)
  @Needs('sessions.end')
  async forget(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { node } = parseQuery(nodePath, path);
    assertMaySpeakForNode(caller, node);
    const { reason } = parseBody(forgetBody, body);
    const terminated = await this.forgetting.forget(this.tenants.of(caller), node, { by: caller, note: reason ?? '' });
    if (terminated === null) {
      throw new ProblemException(
        'not-found',
        'No such node beats or holds sessions; GET /api/sessions/nodes lists them',
      );
    }
    return { success: true, terminated, message: `Node ${node} forgotten; terminated ${terminated} sessions of it` };
  }

  @Get('fuses')
  @Operation(NODES.fuses)
  @Needs('fleet.read')
  async tripped(@Caller() caller: Principal) {
    const fuses = await this.nodes.fuses(this.tenants.of(caller));
    return { fuses: fuses.map(fuseView), total: fuses.length };
  }

  /** Lets through for ten minutes what the fuse has stopped. */
  @Post('fuses/:fuse/allow')
  @Operation(NODES.allow)
  @Needs('fleet.mend')
  async allow(@Caller() caller: Principal, @Param('fuse') fuse: string) {
    if (!(await this.fuses.allow(this.tenants.of(caller), fuse, caller))) {
      throw new ProblemException(
        'not-found',
        'No such fuse has tripped; GET /api/sessions/fuses lists those that have',
      );
    }
    return { success: true, message: `What fuse ${fuse} has stopped may go on for ten minutes` };
  }
}

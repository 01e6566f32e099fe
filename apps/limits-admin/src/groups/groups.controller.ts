import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';

import { Caller, Needs, Operation, parseBody, parseQuery, Tag, type Principal } from '#service-kit';

import { changeBody, temporaryLimitBody } from '../limits/fields.schema.js';
import { groupLimit } from '../limits/in-force.js';
import { LimitChanges } from '../limits/limit-changes.service.js';
import { temporaryView } from '../limits/limits.view.js';
import { warningsOf } from '../limits/warnings.js';
import { Tenants } from '../tenants.service.js';
import { GROUPS } from './groups.operations.js';
import { groupBody, groupPath, groupsQuery, kindBody, kindPath } from './groups.schema.js';
import { GroupsService } from './groups.service.js';

/** The limits of groups: trunks, carriers, queues, whatever sessions name as `kind:name`. */
@Controller('api/sessions/groups')
@Needs('limits.change')
@Tag('groups')
export class GroupsController {
  constructor(
    private readonly groups: GroupsService,
    private readonly changes: LimitChanges,
    private readonly tenants: Tenants,
  ) {}

  @Get()
  @Operation(GROUPS.list)
  @Needs('fleet.read')
  async list(@Caller() caller: Principal, @Query() query: unknown) {
    return await this.groups.page(this.tenants.of(caller), parseQuery(groupsQuery, query));
  }

  @Get(':kind')
  @Operation(GROUPS.showKind)
  @Needs('fleet.read')
  async showKind(@Caller() caller: Principal, @Param() path: unknown, @Query() query: unknown) {
    const { kind } = parseBody(kindPath, path);
    return await this.groups.ofKind(this.tenants.of(caller), kind, parseQuery(groupsQuery, query));
  }

  @Put(':kind')
  @Operation(GROUPS.changeKind)
  async changeKind(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { kind } = parseBody(kindPath, path);
    const { reason, on_lower, ...settings } = parseBody(kindBody, body);
    const warnings = warningsOf(kindBody, body);
    if (isEmpty(settings)) return { success: true, kind, message: NOTHING_CHANGED, ...warnings };
    const request = { by: caller, reason, on_lower };
    const { consequences } = await this.changes.kind(this.tenants.of(caller), kind, settings, request);
    return { success: true, kind, message: `Limits of groups of kind ${kind} changed`, ...consequences, ...warnings };
  }

  @Delete(':kind')
  @Operation(GROUPS.resetKind)
  async resetKind(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const { kind } = parseBody(kindPath, path);
    const request = { by: caller, ...parseBody(changeBody, body) };
    const { consequences } = await this.changes.resetKind(this.tenants.of(caller), kind, request);
    const message = `The configuration file holds again for kind ${kind}; limits of single groups stay`;
    return { success: true, kind, message, ...consequences };
  }

  @Get(':kind/:name')
  @Operation(GROUPS.showGroup)
  @Needs('fleet.read')
  async showGroup(@Caller() caller: Principal, @Param() path: unknown) {
    return await this.groups.one(this.tenants.of(caller), groupOf(path));
  }

  @Put(':kind/:name')
  @Operation(GROUPS.changeGroup)
  async changeGroup(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const tenant = this.tenants.of(caller);
    const group = groupOf(path);
    const { reason, on_lower, ...settings } = parseBody(groupBody, body);
    const warnings = warningsOf(groupBody, body);
    if (isEmpty(settings)) return { success: true, group, message: NOTHING_CHANGED, ...warnings };
    await this.groups.assertConfigured(tenant, parseBody(kindPath, path).kind);
    const made = await this.changes.group(tenant, group, settings, { by: caller, reason, on_lower });
    const temporary = temporaryView(groupLimit(made.limits, group, made.nowMs).temporary, made.nowMs);
    const covered = temporary === null ? {} : { temporary };
    return {
      success: true,
      group,
      message: `Limits of group ${group} changed`,
      ...covered,
      ...made.consequences,
      ...warnings,
    };
  }

  @Delete(':kind/:name')
  @Operation(GROUPS.resetGroup)
  async resetGroup(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const group = groupOf(path);
    const request = { by: caller, ...parseBody(changeBody, body) };
    const { limits, nowMs, consequences } = await this.changes.resetGroup(this.tenants.of(caller), group, request);
    const limit = groupLimit(limits, group, nowMs).max;
    const message = `What was set for group ${group} is removed; the limit is now ${limit}`;
    return { success: true, group, limit, message, ...consequences };
  }

  @Post(':kind/:name/temporary-limit')
  @Operation(GROUPS.lend)
  async lend(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const tenant = this.tenants.of(caller);
    const group = groupOf(path);
    const request = parseBody(temporaryLimitBody, body);
    await this.groups.assertConfigured(tenant, parseBody(kindPath, path).kind);
    const lent = await this.changes.lend(tenant, `group:${group}`, caller, request);
    return { success: true, group, ...lent, ...warningsOf(temporaryLimitBody, body) };
  }

  @Delete(':kind/:name/temporary-limit')
  @Operation(GROUPS.takeBack)
  async takeBack(@Caller() caller: Principal, @Param() path: unknown, @Body() body: unknown) {
    const group = groupOf(path);
    const request = { by: caller, ...parseBody(changeBody, body) };
    const made = await this.changes.endTemporary(this.tenants.of(caller), `group:${group}`, request);
    const limit = groupLimit(made.limits, group, made.nowMs).max;
    return {
      success: true,
      group,
      limit,
      message: `The limit of group ${group} is ${limit} again`,
      ...made.consequences,
    };
  }
}

function groupOf(path: unknown): string {
  const { kind, name } = parseBody(groupPath, path);
  return `${kind}:${name}`;
}

const NOTHING_CHANGED = 'The body names no setting; nothing was changed';

function isEmpty(settings: Record<string, unknown>): boolean {
  return Object.values(settings).every((value) => value === undefined);
}

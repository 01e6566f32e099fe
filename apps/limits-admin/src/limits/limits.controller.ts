import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';

import { Caller, Needs, Operation, parseBody, parseQuery, ProblemException, Tag, type Principal } from '#service-kit';

import { Tenants } from '../tenants.service.js';
import { changeBody, temporaryLimitBody } from './fields.schema.js';
import { userLimit } from './in-force.js';
import { LimitChanges } from './limit-changes.service.js';
import { LIMITS } from './limits.operations.js';
import { limitsBody, namedLimitBody, namedUserQuery, userLimitBody, type UserLimitBody } from './limits.schema.js';
import { LimitsService } from './limits.service.js';
import { limitsView } from './limits.view.js';
import { userLimitView } from './user-limit.view.js';
import { UserNames, type NamedUser } from './user-names.js';
import { warned, warningsOf } from './warnings.js';

/** The path of the total's temporary limit, which a user of that name would have. */
const TEMPORARY = 'temporary-limit';
/** The path of a user whose name stands in the body or the query. */
const NAMED_ELSEWHERE = '-';

/** The limits of a tenant, and those of its single users. */
@Controller('api/sessions/limits')
@Needs('limits.change')
@Tag('limits')
export class LimitsController {
  constructor(
    private readonly limits: LimitsService,
    private readonly changes: LimitChanges,
    private readonly tenants: Tenants,
    private readonly names: UserNames,
  ) {}

  @Get()
  @Operation(LIMITS.show)
  @Needs('limits.read')
  async show(@Caller() caller: Principal) {
    return limitsView(await this.limits.current(this.tenants.of(caller)));
  }

  @Put()
  @Operation(LIMITS.change)
  async change(@Caller() caller: Principal, @Body() body: unknown) {
    const tenant = this.tenants.of(caller);
    const { settings, ...request } = parseBody(limitsBody, body);
    const { change, warnings: ofNames } = await this.names.settings(tenant, settings);
    const warnings = warningsOf(limitsBody, body, ofNames);
    if (Object.keys(change).length === 0) {
      return { success: true, message: 'The body names no setting; nothing was changed', ...warnings };
    }
    const { consequences } = await this.changes.settings(tenant, change, { by: caller, ...request });
    return { success: true, message: 'Session limits changed', ...consequences, ...warnings };
  }

  @Delete()
  @Operation(LIMITS.reset)
  async reset(@Caller() caller: Principal, @Body() body: unknown) {
    const request = { by: caller, ...parseBody(changeBody, body) };
    const { consequences } = await this.changes.resetSettings(this.tenants.of(caller), request);
    const message =
      'The configuration file holds again; limits of single users and groups stay, with the classes that users are in';
    return { success: true, message, ...consequences };
  }

  /** A temporary limit of the whole tenant. So `temporary-limit` is no user name under this path; `/limits/-` reaches that user. */
  @Post(TEMPORARY)
  @Operation(LIMITS.lendTotal)
  async changeTotal(@Caller() caller: Principal, @Body() body: unknown) {
    const request = parseBody(temporaryLimitBody, body);
    const lent = await this.changes.lend(this.tenants.of(caller), 'total', caller, request);
    return { success: true, ...lent, ...warningsOf(temporaryLimitBody, body) };
  }

  @Delete(TEMPORARY)
  @Operation(LIMITS.takeBackTotal)
  async resetTotal(@Caller() caller: Principal, @Body() body: unknown) {
    const request = { by: caller, ...parseBody(changeBody, body) };
    const { limits, consequences } = await this.changes.endTemporary(this.tenants.of(caller), 'total', request);
    const limit = Math.max(0, limits.maxTotalSessions);
    return { success: true, limit, message: `The limit of all sessions is ${limit} again`, ...consequences };
  }

  @Get(NAMED_ELSEWHERE)
  @Operation(LIMITS.showNamed)
  @Tag('user limits')
  @Needs('limits.read')
  async showNamed(@Caller() caller: Principal, @Query() query: unknown) {
    return await this.showLimit(this.exact(caller, parseQuery(namedUserQuery, query).username));
  }

  @Put(NAMED_ELSEWHERE)
  @Operation(LIMITS.changeNamed)
  @Tag('user limits')
  async changeNamed(@Caller() caller: Principal, @Body() body: unknown) {
    const { username, ...request } = parseBody(namedLimitBody, body);
    return await this.changeLimit(caller, this.exact(caller, username), request, warningsOf(namedLimitBody, body));
  }

  @Delete(NAMED_ELSEWHERE)
  @Operation(LIMITS.resetNamed)
  @Tag('user limits')
  async resetNamed(@Caller() caller: Principal, @Query() query: unknown, @Body() body: unknown) {
    return await this.resetLimit(caller, this.exact(caller, parseQuery(namedUserQuery, query).username), body);
  }

  @Get(':username')
  @Operation(LIMITS.showUser)
  @Tag('user limits')
  @Needs('limits.read')
  async showUser(@Caller() caller: Principal, @Param('username') written: string) {
    return await this.showLimit(await this.named(caller, written));
  }

  @Put(':username')
  @Operation(LIMITS.changeUser)
  @Tag('user limits')
  async changeUser(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const request = parseBody(userLimitBody, body);
    const user = await this.named(caller, written);
    return await this.changeLimit(caller, user, request, warningsOf(userLimitBody, body, user.warnings));
  }

  @Delete(':username')
  @Operation(LIMITS.resetUser)
  @Tag('user limits')
  async resetUser(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    return await this.resetLimit(caller, await this.named(caller, written), body);
  }

  private async showLimit({ tenant, username, warnings }: NamedUser) {
    return { username, ...userLimitView(await this.limits.current(tenant), username), ...warned(warnings) };
  }

  private async changeLimit(
    caller: Principal,
    { tenant, username }: NamedUser,
    { limit, ...request }: UserLimitBody,
    warnings: { warnings?: string[] },
  ) {
    if (limit === undefined || limit === null) throw limitRequired();
    const { consequences, ...made } = await this.changes.user(tenant, username, limit, { by: caller, ...request });
    const { temporary } = userLimitView(made, username);
    const message = `Session limit for user ${username} set to ${limit}`;
    const covered = temporary === undefined ? {} : { temporary };
    return { success: true, username, limit, message, ...covered, ...consequences, ...warnings };
  }

  private async resetLimit(caller: Principal, { tenant, username, warnings }: NamedUser, body: unknown) {
    const request = { by: caller, ...parseBody(changeBody, body) };
    const { limits, nowMs, consequences } = await this.changes.resetUser(tenant, username, request);
    const limit = userLimit(limits, username, nowMs).max;
    const message = `Session limit for user ${username} removed; the limit is now ${limit}`;
    return { success: true, username, limit, message, ...consequences, ...warned(warnings) };
  }

  private exact(caller: Principal, written: string): NamedUser {
    return this.names.exact(this.tenants.of(caller), written);
  }

  private async named(caller: Principal, written: string): Promise<NamedUser> {
    const user = await this.names.meant(this.tenants.of(caller), written);
    if (user.username !== TEMPORARY) return user;
    throw new ProblemException(
      'not-found',
      `${TEMPORARY} is no user name here, but the temporary limit of all sessions; /limits/- with the username reaches that user`,
    );
  }
}

function limitRequired(): ProblemException {
  const errors = [{ path: 'limit', message: 'is required: must be a whole number; 0 or below for unlimited' }];
  return new ProblemException('invalid-request', 'Limit value is required', { members: { errors } });
}

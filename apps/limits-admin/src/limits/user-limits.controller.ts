import { Body, Controller, Delete, Param, Post, Put } from '@nestjs/common';

import { Caller, Needs, Operation, parseBody, Tag, type Principal } from '#service-kit';

import { Tenants } from '../tenants.service.js';
import { changeBody, temporaryLimitBody } from './fields.schema.js';
import { userLimit } from './in-force.js';
import { LimitChanges, type MadeChange } from './limit-changes.service.js';
import { USER_LIMITS } from './limits.operations.js';
import { userClassBody } from './limits.schema.js';
import { UserNames, type NamedUser } from './user-names.js';
import { warned, warningsOf } from './warnings.js';

/** The rest of a user's limit: a class, and another limit for a while. */
@Controller('api/sessions/users/:username')
@Needs('limits.change')
@Tag('user limits')
export class UserLimitsController {
  constructor(
    private readonly changes: LimitChanges,
    private readonly tenants: Tenants,
    private readonly names: UserNames,
  ) {}

  @Put('class')
  @Operation(USER_LIMITS.classify)
  async classify(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const { tenant, username, warnings } = await this.named(caller, written);
    const { class: ofClass, ...request } = parseBody(userClassBody, body);
    const made = await this.changes.userClass(tenant, username, ofClass, { by: caller, ...request });
    const message = `User ${username} is of class ${ofClass}`;
    const answer = { success: true, username, class: ofClass, limit: limitAfter(made, username), message };
    return { ...answer, ...made.consequences, ...warningsOf(userClassBody, body, warnings) };
  }

  @Delete('class')
  @Operation(USER_LIMITS.declassify)
  async declassify(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const { tenant, username, warnings } = await this.named(caller, written);
    const request = { by: caller, ...parseBody(changeBody, body) };
    const made = await this.changes.userClass(tenant, username, null, request);
    const message = `User ${username} has no class by this API; that of the file or of an admission holds`;
    return {
      success: true,
      username,
      limit: limitAfter(made, username),
      message,
      ...made.consequences,
      ...warned(warnings),
    };
  }

  @Post('temporary-limit')
  @Operation(USER_LIMITS.lend)
  async lend(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const { tenant, username, warnings } = await this.named(caller, written);
    const request = parseBody(temporaryLimitBody, body);
    const lent = await this.changes.lend(tenant, `user:${username}`, caller, request);
    return { success: true, username, ...lent, ...warningsOf(temporaryLimitBody, body, warnings) };
  }

  @Delete('temporary-limit')
  @Operation(USER_LIMITS.takeBack)
  async takeBack(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const { tenant, username, warnings } = await this.named(caller, written);
    const request = { by: caller, ...parseBody(changeBody, body) };
    const made = await this.changes.endTemporary(tenant, `user:${username}`, request);
    const limit = limitAfter(made, username);
    const message = `The limit of user ${username} is ${limit} again`;
    return { success: true, username, limit, message, ...made.consequences, ...warned(warnings) };
  }

  private async named(caller: Principal, written: string): Promise<NamedUser> {
    return await this.names.meant(this.tenants.of(caller), written);
  }
}

function limitAfter({ limits, nowMs }: MadeChange, user: string): number {
  return userLimit(limits, user, nowMs).max;
}

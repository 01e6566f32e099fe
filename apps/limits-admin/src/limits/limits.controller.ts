import { Body, Controller, Delete, Get, Param, Put } from '@nestjs/common';

import { Caller, parseBody, ProblemException, unknownFields, type Principal } from '#service-kit';

import { Tenants } from '../tenants.service.js';
import { limitsBody, userLimitBody } from './limits.schema.js';
import { LimitsService } from './limits.service.js';
import { limitsView, type LimitsView } from './limits.view.js';

@Controller('api/sessions/limits')
export class LimitsController {
  constructor(
    private readonly limits: LimitsService,
    private readonly tenants: Tenants,
  ) {}

  @Get()
  async show(@Caller() caller: Principal): Promise<LimitsView> {
    return limitsView(await this.limits.document(this.tenants.of(caller)));
  }

  @Put()
  async change(@Caller() caller: Principal, @Body() body: unknown) {
    const said = parseBody(limitsBody, body);
    const nothing = Object.values(said).every((value) => value === undefined);
    if (!nothing) await this.limits.change(this.tenants.of(caller), said, caller);
    return {
      success: true,
      message: nothing ? 'The body names no setting; nothing was changed' : 'Session limits changed',
      ...warningsOf(limitsBody, body),
    };
  }

  @Delete()
  async reset(@Caller() caller: Principal) {
    await this.limits.reset(this.tenants.of(caller), caller);
    return { success: true, message: 'The configuration file holds again; limits of single users stay' };
  }

  @Get(':username')
  async showUser(@Caller() caller: Principal, @Param('username') written: string) {
    const tenant = this.tenants.of(caller);
    const username = this.tenants.user(tenant, written);
    return { username, limit: await this.limits.ofUser(tenant, username) };
  }

  @Put(':username')
  async changeUser(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const tenant = this.tenants.of(caller);
    const username = this.tenants.user(tenant, written);
    const { limit } = parseBody(userLimitBody, body);
    if (limit === undefined || limit === null) throw limitRequired();
    await this.limits.setUser(tenant, username, limit, caller);
    const message = `Session limit for user ${username} set to ${limit}`;
    return { success: true, username, limit, message, ...warningsOf(userLimitBody, body) };
  }

  @Delete(':username')
  async resetUser(@Caller() caller: Principal, @Param('username') written: string) {
    const tenant = this.tenants.of(caller);
    const username = this.tenants.user(tenant, written);
    const limit = await this.limits.unsetUser(tenant, username, caller);
    const message = `Session limit for user ${username} removed; the limit is now ${limit}`;
    return { success: true, username, limit, message };
  }
}

function limitRequired(): ProblemException {
  const errors = [{ path: 'limit', message: 'is required: must be a whole number; 0 or below for unlimited' }];
  return new ProblemException('invalid-request', 'Limit value is required', { members: { errors } });
}

function warningsOf(schema: typeof limitsBody | typeof userLimitBody, body: unknown): { warnings?: string[] } {
  const warnings = unknownFields(schema, body).map((field) => `${field}: unknown field, ignored`);
  return warnings.length === 0 ? {} : { warnings };
}

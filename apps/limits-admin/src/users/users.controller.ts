import { Body, Controller, Delete, Get, Param, Query } from '@nestjs/common';

import { Caller, Needs, Operation, parseBody, parseQuery, Tag, type Principal } from '#service-kit';

import { terminateBody } from '../sessions/sessions.schema.js';
import { TerminationService } from '../sessions/termination.service.js';
import { Tenants } from '../tenants.service.js';
import { USERS } from './users.operations.js';
import { userQuery, usersQuery } from './users.schema.js';
import { UsersService, type UserDetail, type UserPage } from './users.service.js';

@Controller('api/sessions/users')
@Tag('users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly termination: TerminationService,
    private readonly tenants: Tenants,
  ) {}

  @Get()
  @Operation(USERS.list)
  @Needs('fleet.read')
  async list(@Caller() caller: Principal, @Query() query: unknown): Promise<UserPage> {
    return await this.users.page(this.tenants.of(caller), parseQuery(usersQuery, query));
  }

  @Get(':username')
  @Operation(USERS.show)
  @Needs('fleet.read')
  async show(
    @Caller() caller: Principal,
    @Param('username') written: string,
    @Query() query: unknown,
  ): Promise<UserDetail> {
    const tenant = this.tenants.of(caller);
    return await this.users.one(tenant, this.tenants.user(tenant, written), parseQuery(userQuery, query));
  }

  @Delete(':username/sessions')
  @Operation(USERS.terminate)
  @Needs('sessions.end')
  async terminate(@Caller() caller: Principal, @Param('username') written: string, @Body() body: unknown) {
    const tenant = this.tenants.of(caller);
    const username = this.tenants.user(tenant, written);
    const { reason } = parseBody(terminateBody, body);
    const terminated = await this.termination.ofUser(tenant, username, { by: caller, note: reason ?? '' });
    return { success: true, terminated, message: `Terminated ${terminated} sessions of user ${username}` };
  }
}

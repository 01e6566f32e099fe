import { Controller, Get, Param, Query } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { History } from '#history-projector';
import { Caller, Needs, Operation, parseQuery, Tag, type Principal } from '#service-kit';
import type { HistoryQuery } from '#session-history';

import { Tenants } from '../../tenants.service.js';
import { HISTORY } from './history.operations.js';
import { historyQuery, userHistoryQuery, violationsQuery } from './history.schema.js';
import { gapsView, pageView, violationsView } from './history.view.js';
import { Questions } from './questions.js';

/** Sessions and refusals, row by row. */
@Controller('api')
@Needs('sessions.read')
@Tag('history')
export class HistoryController {
  constructor(
    private readonly history: History,
    private readonly questions: Questions,
    private readonly tenants: Tenants,
  ) {}

  @Get('sessions/history')
  @Operation(HISTORY.list)
  async list(@Caller() caller: Principal, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const asked = parseQuery(historyQuery, query);
    const filter = this.questions.filter(caller, asked);
    return await this.page(tenant, { ...filter, ...this.questions.page(asked) });
  }

  @Get('users/:user/sessions')
  @Operation(HISTORY.ofUser)
  async ofUser(@Caller() caller: Principal, @Param('user') written: string, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const user = this.tenants.user(tenant, written, 'user');
    const asked = parseQuery(userHistoryQuery, query);
    const filter = { ...this.questions.filter(caller, asked), user };
    return await this.page(tenant, { ...filter, ...this.questions.page(asked) });
  }

  @Get('sessions/violations')
  @Operation(HISTORY.violations)
  @Needs('fleet.read')
  async violations(@Caller() caller: Principal, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const { page, limit: pageSize, ...asked } = parseQuery(violationsQuery, query);
    const filter = this.questions.filter(caller, asked);
    const { readable } = this.history;
    const found = await readable.violations(tenant.name, { ...filter, page, pageSize });
    return { ...violationsView(found), ...gapsView(await readable.gaps(tenant.name, filter)) };
  }

  private async page(tenant: TenantConfig, query: HistoryQuery) {
    const { readable } = this.history;
    const found = await readable.history(tenant.name, query);
    return { ...pageView(found), ...gapsView(await readable.gaps(tenant.name, query)) };
  }
}

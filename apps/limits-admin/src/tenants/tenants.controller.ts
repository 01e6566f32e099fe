import { Controller, Get, Param } from '@nestjs/common';

import { Caller, Needs, Operation, Tag, type Principal } from '#service-kit';

import { Tenants } from '../tenants.service.js';
import { TenantOverview, type TenantView } from './tenant-overview.service.js';
import { TENANTS } from './tenants.operations.js';

/** The tenants that a caller may see: with keys its own, without keys all that are configured. */
@Controller('api/sessions/tenants')
@Needs('fleet.read')
@Tag('tenants')
export class TenantsController {
  constructor(
    private readonly tenants: Tenants,
    private readonly overview: TenantOverview,
  ) {}

  @Get()
  @Operation(TENANTS.list)
  async list(@Caller() caller: Principal): Promise<{ tenants: TenantView[]; total: number }> {
    const tenants: TenantView[] = [];
    // One after the other: an overview counts users, and a large fleet of tenants must not be one burst on Redis.
    for (const tenant of this.tenants.visibleTo(caller)) tenants.push(await this.overview.of(tenant));
    return { tenants, total: tenants.length };
  }

  @Get(':name')
  @Operation(TENANTS.show)
  async show(@Caller() caller: Principal, @Param('name') name: string): Promise<TenantView> {
    return await this.overview.of(this.tenants.visible(caller, name));
  }
}

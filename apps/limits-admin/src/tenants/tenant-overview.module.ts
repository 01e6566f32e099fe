import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { TenantOverview } from './tenant-overview.service.js';
import { TenantsController } from './tenants.controller.js';

/** Tenants at a glance. */
@Module({
  imports: [BooksModule, TenantsModule, LimitsModule],
  controllers: [TenantsController],
  providers: [TenantOverview],
})
export class TenantOverviewModule {}

import { Module } from '@nestjs/common';

import { BooksModule } from '../books.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { TenantOverview } from './tenant-overview.service.js';
import { TenantsController } from './tenants.controller.js';

/** Tenants at a glance. */
@Module({ imports: [BooksModule, LimitsModule], controllers: [TenantsController], providers: [TenantOverview] })
export class TenantsModule {}

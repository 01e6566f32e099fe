import { Module } from '@nestjs/common';

import { Tenants } from './tenants.service.js';

/** The tenants of the configuration, for the controllers of all features. */
@Module({ providers: [Tenants], exports: [Tenants] })
export class TenantsModule {}

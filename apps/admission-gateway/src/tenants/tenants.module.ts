import { Module } from '@nestjs/common';

import { TenantsRepository } from './tenants.repository.js';

/** The tenants of the configuration with the ways to their books, and who may speak for which. */
@Module({ providers: [TenantsRepository], exports: [TenantsRepository] })
export class TenantsModule {}

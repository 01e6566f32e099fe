import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { LimitChanges } from './limit-changes.service.js';
import { LimitUse } from './limit-use.service.js';
import { LimitsController } from './limits.controller.js';
import { LimitsService } from './limits.service.js';
import { UserLimitsController } from './user-limits.controller.js';
import { UserNames } from './user-names.js';

/** The limits in force, and their changes. */
@Module({
  imports: [BooksModule, TenantsModule, SessionsModule],
  controllers: [LimitsController, UserLimitsController],
  providers: [LimitChanges, LimitsService, LimitUse, UserNames],
  exports: [LimitChanges, LimitsService],
})
export class LimitsModule {}

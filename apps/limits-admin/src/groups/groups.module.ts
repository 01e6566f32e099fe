import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { GroupsController } from './groups.controller.js';
import { GroupsService } from './groups.service.js';

/** Groups, with their use and limits. */
@Module({
  imports: [BooksModule, TenantsModule, LimitsModule],
  controllers: [GroupsController],
  providers: [GroupsService],
})
export class GroupsModule {}

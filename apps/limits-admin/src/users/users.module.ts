import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersController } from './users.controller.js';
import { UsersService } from './users.service.js';

/** Users, with their live sessions. */
@Module({
  imports: [BooksModule, TenantsModule, LimitsModule, SessionsModule],
  controllers: [UsersController],
  providers: [UsersService],
})
export class UsersModule {}

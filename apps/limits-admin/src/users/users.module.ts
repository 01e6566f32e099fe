import { Module } from '@nestjs/common';

import { BooksModule } from '../books.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersController } from './users.controller.js';
import { UsersService } from './users.service.js';

/** Users, with their live sessions. */
@Module({
  imports: [BooksModule, LimitsModule, SessionsModule],
  controllers: [UsersController],
  providers: [UsersService],
})
export class UsersModule {}

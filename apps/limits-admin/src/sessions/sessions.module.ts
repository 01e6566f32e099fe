import { Module } from '@nestjs/common';

import { HistoryProjectorModule } from '#history-projector';
import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { SessionAttemptsService } from './session-attempts.service.js';
import { SessionsController } from './sessions.controller.js';
import { TerminationService } from './termination.service.js';

/** Live sessions, ending them, and all attempts of one id. */
@Module({
  imports: [BooksModule, TenantsModule, HistoryProjectorModule],
  controllers: [SessionsController],
  providers: [SessionAttemptsService, TerminationService],
  exports: [TerminationService],
})
export class SessionsModule {}

import { Module } from '@nestjs/common';

import { BooksModule } from '../books.module.js';
import { HistoryModule } from '../history/history.module.js';
import { SessionAttemptsService } from './session-attempts.service.js';
import { SessionsController } from './sessions.controller.js';
import { TerminationService } from './termination.service.js';

/** Live sessions, ending them, and all attempts of one id. */
@Module({
  imports: [BooksModule, HistoryModule],
  controllers: [SessionsController],
  providers: [SessionAttemptsService, TerminationService],
  exports: [TerminationService],
})
export class SessionsModule {}

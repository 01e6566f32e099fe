import { Module } from '@nestjs/common';

import { CommandFeedService } from './command-feed.service.js';
import { CommandsController } from './commands.controller.js';
import { CommandsRepository } from './commands.repository.js';
import { CommandsService } from './commands.service.js';

@Module({
  controllers: [CommandsController],
  providers: [CommandFeedService, CommandsRepository, CommandsService],
  exports: [CommandFeedService, CommandsService],
})
export class CommandsModule {}

import { Module } from '@nestjs/common';

import { PulseModule, StoresModule } from '#service-kit';

import { AuditModule } from './audit/audit.module.js';
import { CommandsModule } from './commands/commands.module.js';
import { ExpiryModule } from './expiry/expiry.module.js';
import { InboxModule } from './inbox/inbox.module.js';
import { NodesModule } from './nodes/nodes.module.js';
import { OutboxModule } from './outbox/outbox.module.js';

@Module({
  imports: [
    // Nobody's call waits here: a call of the store may take as long as any command.
    StoresModule.of({ deadlineMs: ({ redis }) => redis.deadlineMs, observed: false }),
    PulseModule.of({ takesBeats: false }),
    AuditModule,
    CommandsModule,
    ExpiryModule,
    InboxModule,
    NodesModule,
    OutboxModule,
  ],
})
export class AppModule {}

import { Module } from '@nestjs/common';

import { InboxLagService } from './inbox-lag.service.js';
import { InboxMetrics } from './inbox.metrics.js';
import { InboxProcessor } from './inbox.processor.js';
import { InboxTenants } from './inbox.tenants.js';

/** What servers publish to the streams, and how far it is read. */
@Module({
  providers: [InboxLagService, InboxMetrics, InboxProcessor, InboxTenants],
  exports: [InboxLagService],
})
export class InboxModule {}

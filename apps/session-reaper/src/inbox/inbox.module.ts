import { Module } from '@nestjs/common';

import { InboxLagService } from './inbox-lag.service.js';
import { InboxTrimmer } from './inbox-trimmer.service.js';
import { InboxController } from './inbox.controller.js';
import { InboxMetrics } from './inbox.metrics.js';
import { InboxTenants } from './inbox.tenants.js';
import { InboxTransport } from './inbox.transport.js';

/** What servers publish to the streams, and how far it is read: a microservice of the app. */
@Module({
  controllers: [InboxController],
  providers: [InboxLagService, InboxMetrics, InboxTenants, InboxTransport, InboxTrimmer],
  exports: [InboxLagService],
})
export class InboxModule {}

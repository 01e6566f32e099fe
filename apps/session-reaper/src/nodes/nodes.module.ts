import { Module } from '@nestjs/common';

import { InboxModule } from '../inbox/inbox.module.js';
import { ReportModule } from '../report/report.module.js';
import { NodeWatchService } from './node-watch.service.js';

/** Nodes that are lost or have restarted: frees what they held. */
@Module({ imports: [InboxModule, ReportModule], providers: [NodeWatchService] })
export class NodesModule {}

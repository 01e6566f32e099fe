import { Module } from '@nestjs/common';

import { ReportModule } from '../report/report.module.js';
import { ExpiryProcessor } from './expiry.processor.js';
import { ExpiryQueue } from './expiry.queue.js';
import { ShardSweepService } from './shard-sweep.service.js';
import { SweepService } from './sweep.service.js';
import { WatchdogService } from './watchdog.service.js';

/** Ends what is due: by a job at its moment, by a sweep all the same. */
@Module({
  imports: [ReportModule],
  providers: [ExpiryProcessor, ExpiryQueue, ShardSweepService, SweepService, WatchdogService],
})
export class ExpiryModule {}

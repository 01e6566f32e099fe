import { Module } from '@nestjs/common';

import { ReaperReportService } from './reaper-report.service.js';
import { ReaperMetrics } from './reaper.metrics.js';

/** The log lines and metrics of what the reaper ended. */
@Module({ providers: [ReaperMetrics, ReaperReportService], exports: [ReaperReportService] })
export class ReportModule {}

import { Module } from '@nestjs/common';

import { ReportModule } from '../report/report.module.js';
import { AuditService } from './audit.service.js';

/** Compares records with the sets that name them. */
@Module({ imports: [ReportModule], providers: [AuditService] })
export class AuditModule {}

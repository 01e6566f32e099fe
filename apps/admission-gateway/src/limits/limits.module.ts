import { Module } from '@nestjs/common';

import { TenantsModule } from '../tenants/tenants.module.js';
import { LimitsPublisherService } from './limits-publisher.service.js';

/** Brings the limits of the file into force. */
@Module({ imports: [TenantsModule], providers: [LimitsPublisherService], exports: [LimitsPublisherService] })
export class LimitsModule {}

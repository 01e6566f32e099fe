import { Module } from '@nestjs/common';

import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { TenantsModule } from '../tenants/tenants.module.js';
import { WarmUpService } from './warm-up.service.js';

/** A new process is ready once it has decided. */
@Module({ imports: [LimitsModule, SessionsModule, TenantsModule], providers: [WarmUpService] })
export class WarmUpModule {}

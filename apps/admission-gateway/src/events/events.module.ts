import { Module } from '@nestjs/common';

import { TenantsModule } from '../tenants/tenants.module.js';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';

/** What servers publish, taken over HTTP. */
@Module({ imports: [TenantsModule], controllers: [EventsController], providers: [EventsService] })
export class EventsModule {}

import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SimulationController } from './simulation.controller.js';
import { SimulationService } from './simulation.service.js';

/** What a change of limits would do to the sessions that are live. */
@Module({
  imports: [BooksModule, TenantsModule, LimitsModule],
  controllers: [SimulationController],
  providers: [SimulationService],
})
export class SimulationModule {}

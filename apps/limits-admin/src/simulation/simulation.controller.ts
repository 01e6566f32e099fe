import { Body, Controller, HttpCode, Post } from '@nestjs/common';

import { Caller, parseBody, Roles, type Principal } from '#service-kit';

import { warningsOf } from '../limits/warnings.js';
import { Tenants } from '../tenants.service.js';
import { simulationBody } from './simulation.schema.js';
import { SimulationService, type Simulation } from './simulation.service.js';

/** Tries a change of limits against the sessions that are live now, and changes nothing. */
@Controller('api/sessions')
export class SimulationController {
  constructor(
    private readonly simulation: SimulationService,
    private readonly tenants: Tenants,
  ) {}

  // The second colon tells the router that the first one is a colon.
  @Post('limits::simulate')
  @HttpCode(200)
  @Roles('viewer', 'operator')
  async simulate(@Caller() caller: Principal, @Body() body: unknown): Promise<Simulation & { warnings?: string[] }> {
    const tenant = this.tenants.of(caller);
    const { settings, groups, users } = parseBody(simulationBody, body);
    const simulation = await this.simulation.run(tenant, {
      settings: this.tenants.settings(tenant, settings),
      groups,
      users: this.tenants.users(tenant, users, 'user_session_limits'),
    });
    return { ...simulation, ...warningsOf(simulationBody, body) };
  }
}

import { Body, Controller, Inject, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import type { BerthConfig } from '#config';
import { Caller, CONFIG, ifUndelivered, Needs, Operation, parseBody, Tag, type Principal } from '#service-kit';

import { warningsOf } from '../limits/warnings.js';
import { Tenants } from '../tenants.service.js';
import { SIMULATION } from './simulation.operations.js';
import { simulationBody } from './simulation.schema.js';
import { SimulationService, type Simulation } from './simulation.service.js';

/** Tries a change of limits against the sessions that are live now, and changes nothing. */
@Controller('api/sessions')
@Tag('limits')
export class SimulationController {
  constructor(
    private readonly simulation: SimulationService,
    private readonly tenants: Tenants,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  // The second colon tells the router that the first one is a colon.
  @Post('limits::simulate')
  @Operation(SIMULATION.simulate)
  @Needs('fleet.read')
  async simulate(
    @Caller() caller: Principal,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<(Simulation & { warnings?: string[] }) | null> {
    const tenant = this.tenants.of(caller);
    const { settings, groups, users } = parseBody(simulationBody, body);
    const proposed = {
      settings: this.tenants.settings(tenant, settings),
      groups,
      users: this.tenants.users(tenant, users, 'user_session_limits'),
    };
    const shared = this.config.auth.keys.length > 0 ? ('key' as const) : ('tenant' as const);
    const asking = { name: `${caller.tenant}/${caller.id}`, shared, signal: leaving(reply) };
    const simulation = await this.simulation.run(tenant, proposed, asking);
    return simulation && { ...simulation, ...warningsOf(simulationBody, body) };
  }
}

/** Says when the caller breaks its connection off before it has its answer. */
function leaving(reply: FastifyReply): AbortSignal {
  const left = new AbortController();
  ifUndelivered(reply, () => left.abort());
  return left.signal;
}

import { Controller, Get, Query } from '@nestjs/common';

import { HOUR_MS } from '#basics';
import type { TenantConfig } from '#config';
import { History } from '#history-projector';
import { Caller, Needs, Operation, parseQuery, Tag, type Principal } from '#service-kit';
import { InvalidInputError } from '#session-core';
import type { PeakOf } from '#session-history';
import { rfc3339 } from '#session-wire';

import { Tenants } from '../../tenants.service.js';
import { peaksQuery, statsQuery, trafficQuery } from './history.schema.js';
import { Questions } from './questions.js';
import { STATISTICS } from './statistics.operations.js';
import { Statistics } from './statistics.service.js';

const USUAL_TOP = 10;
const GROUP = /^[a-z0-9-]{1,32}:[^\p{Cc}\p{Cs}]{1,128}$/u;

/** What history adds up to. */
@Controller('api/sessions')
@Needs('fleet.read')
@Tag('history')
export class StatisticsController {
  constructor(
    private readonly history: History,
    private readonly statistics: Statistics,
    private readonly questions: Questions,
    private readonly tenants: Tenants,
  ) {}

  @Get('stats')
  @Operation(STATISTICS.stats)
  async stats(@Caller() caller: Principal, @Query() query: unknown) {
    const windowMs = this.questions.windowOrUsualMs(parseQuery(statsQuery, query));
    return await this.statistics.of(this.tenants.of(caller), windowMs);
  }

  @Get('peaks')
  @Operation(STATISTICS.peaks)
  async peaks(@Caller() caller: Principal, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const { scope, name: written, top, ...window } = parseQuery(peaksQuery, query);
    const windowMs = this.questions.windowOrUsualMs(window);
    const sinceMs = Date.now() - windowMs;
    const window_hours = windowMs / HOUR_MS;
    const name = this.nameIn(tenant, scope, written);
    if (scope !== 'total' && name === '') {
      const highest = await this.history.readable.highestPeaks(
        tenant.name,
        { scope, count: top ?? USUAL_TOP },
        sinceMs,
      );
      return { window_hours, scope, top: highest };
    }
    if (top !== undefined) throw new InvalidInputError('top', 'is for users or groups, and goes without a name');
    const peaks = await this.history.readable.peaks(tenant.name, { scope, name }, sinceMs);
    const hours = peaks.map(({ atMs, peak }) => ({ at: rfc3339(atMs), peak }));
    const peak = hours.reduce((most, hour) => Math.max(most, hour.peak), 0);
    return { window_hours, scope, name: name === '' ? null : name, peak, hours };
  }

  @Get('traffic')
  @Operation(STATISTICS.traffic)
  async traffic(@Caller() caller: Principal, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const { user: written, ...window } = parseQuery(trafficQuery, query);
    const user = written === undefined ? undefined : this.tenants.user(tenant, written, 'user');
    const windowMs = this.questions.windowOrUsualMs(window);
    const hours = await this.history.readable.traffic(tenant.name, { sinceMs: Date.now() - windowMs, user });
    return {
      window_hours: windowMs / HOUR_MS,
      user: user ?? null,
      hours: hours.map(({ atMs, sessions, bytesSent, bytesReceived, refusals }) => {
        return { at: rfc3339(atMs), sessions, bytes_sent: bytesSent, bytes_received: bytesReceived, refusals };
      }),
    };
  }

  /** Whose peak, in canonical form; '' for the total, and where no name is given. */
  private nameIn(tenant: TenantConfig, scope: PeakOf['scope'], written = ''): string {
    if (written === '') return '';
    if (scope === 'total') throw new InvalidInputError('name', 'goes with scope=user or scope=group');
    if (scope === 'user') return this.tenants.user(tenant, written, 'name');
    if (GROUP.test(written)) return written;
    throw new InvalidInputError('name', 'must be a group, kind:name');
  }
}

import { Controller, Delete, Param } from '@nestjs/common';

import { History } from '#history-projector';
import { Caller, Needs, Operation, Tag, type Principal } from '#service-kit';
import { userOfCalls } from '#session-core';

import { warned } from '../../limits/warnings.js';
import { Tenants } from '../../tenants.service.js';
import { ERASURES } from './erasures.operations.js';
import { Erasures } from './erasures.service.js';

/** Erases a person. */
@Controller('api/sessions/users/:username/history')
@Needs('history.erase')
@Tag('history')
export class ErasuresController {
  constructor(
    private readonly erasures: Erasures,
    private readonly history: History,
    private readonly tenants: Tenants,
  ) {}

  @Delete()
  @Operation(ERASURES.erase)
  async erase(@Caller() caller: Principal, @Param('username') written: string) {
    const tenant = this.tenants.of(caller);
    const username = this.tenants.user(tenant, written);
    const erased = { sessions: 0, refusals: 0 };
    // History keeps names as they were: before the rules of the tenant changed the person may have been known as it is written here.
    for (const name of new Set([username, written])) {
      const { sessions, refusals } = await this.erasures.erase(tenant, name, caller);
      erased.sessions += sessions;
      erased.refusals += refusals;
    }
    const ofCalls = userOfCalls(username, tenant.identity);
    const hint = `username: domains do not count here (identity.domain: drop), so calls of ${username} are of user ${ofCalls}: erase that one if it is meant`;
    const mode = this.history.settings?.erase ?? 'pseudonymise';
    const done = mode === 'remove' ? 'removed' : 'pseudonymised';
    const message = `History of user ${username}: ${erased.sessions} sessions and ${erased.refusals} refusals ${done}`;
    const isNobody = erased.sessions + erased.refusals === 0 && ofCalls !== null;
    return { success: true, username, mode, ...erased, message, ...warned(isNobody ? [hint] : []) };
  }
}

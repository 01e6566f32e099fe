import { pause } from '#basics';

import { Books } from '../books.js';
import { CrossShardHandover } from '../cross-shard-handover.js';
import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from '../keys.js';
import { Lease } from '../lease.js';
import { LimitsStore } from '../limits-store.js';
import {
  formerUser,
  givenName,
  identityText,
  lacksDomain,
  renamedName,
  type BooksIdentity,
  type IdentityChange,
  type IdentityRules,
} from '../model/identity/index.js';
import { effectiveLimits, limitOf, type LimitsDocument } from '../model/limits-document.js';
import { limitedUsers, rekeyedLimits } from '../model/limits-rekey.js';
import { drainRun } from '../scripts/drain-run.script.js';
import { beginRekey, closeShard, finishRekey } from '../scripts/rekey.script.js';
import type { ShardContext, StoreClient } from '../scripts/script.js';
import { withDeadline } from '../store-call.js';
import { RekeyReport } from './report.js';
import { Splits } from './splits.js';
import { RekeyWalk, type Settled } from './walk.js';

export interface RekeyOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  /** How long what left a shard is remembered there, milliseconds. */
  tombstoneMs: number;
  /** How long processes have to notice that the tenant is closed, before anything changes, milliseconds. */
  noticeMs: number;
  /** A name that no other run has. */
  holder: string;
  /** Called once the tenant is closed, with the rules that it had. */
  onBegin?: ((registered: BooksIdentity) => void) | undefined;
  /** Of so many sessions so many have been looked at; called after each page. */
  onProgress?: ((looked: number, of: number) => void) | undefined;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** `unchanged`: the tenant has these rules. `refused`: nothing was done, and why. */
export type RekeyOutcome =
  { kind: 'done'; report: RekeyReport } | { kind: 'unchanged' } | { kind: 'refused'; reason: string };

/** A tenant with the rules that its books are to have. */
export type RekeyedTenant = TenantRef & { identity: IdentityRules };

/** Long enough for a pause of this process, short for the process that has to finish what was killed. */
const REKEY_LEASE_MS = 10_000;
const RENEWALS = 4;
/** Sessions that a straggler changes meanwhile need another pass; more than a few of those there are not. */
const MAX_PASSES = 20;
const DRAINED_PER_CALL = 25;
const OFFERS_PER_READ = 100;

/**
 * Changes the identity rules of a tenant: closes it, gives every live session the user that it has under the new rules, rewrites the limits,
 * registers the rules, and opens it. Every step may be repeated; after an interruption anywhere the next run does what is left.
 */
export class Rekey {
  private readonly limits: LimitsStore;
  private lost = false;

  constructor(private readonly options: RekeyOptions) {
    this.limits = new LimitsStore(options.client, options.deadlineMs);
  }

  /**
   * Resolves when the books are kept by the rules of the tenant. Throws StoreUnavailableError when Redis gives no answer in time: then the tenant
   * stays closed until this has been run again.
   */
  async run(tenant: RekeyedTenant): Promise<RekeyOutcome> {
    const { client, holder, deadlineMs } = this.options;
    const lease = new Lease({ client, key: tenantKeys(tenant.name).rekeyLease, holder, deadlineMs });
    if (!(await lease.take(REKEY_LEASE_MS))) {
      const seconds = REKEY_LEASE_MS / 1_000;
      return refused(`Another run is changing tenant ${tenant.name}, or was killed less than ${seconds} s ago`);
    }
    const renewing = setInterval(() => {
      lease.take(REKEY_LEASE_MS).then(
        (held) => (this.lost ||= !held),
        () => {}, // the next call that matters fails as well
      );
    }, REKEY_LEASE_MS / RENEWALS);
    try {
      return await this.rekey(tenant);
    } finally {
      clearInterval(renewing);
      await lease.take(0).catch(() => {}); // expires
    }
  }

  private async rekey(tenant: RekeyedTenant): Promise<RekeyOutcome> {
    const { name, identity } = tenant;
    const begun = await this.call(() => beginRekey(this.tenantContext(tenant), identity));
    switch (begun.kind) {
      case 'unknown':
        return refused(
          `Redis knows no tenant ${name}; its first process creates it with the rules of the configuration`,
        );
      case 'unregistered':
        return refused(
          `The rules of tenant ${name} are not registered yet: start a process of this release with those that its sessions were admitted by`,
        );
      case 'format':
        return refused(`The books of tenant ${name} have format ${begun.format}, which this release does not know`);
      case 'other': {
        const rules = identityText(begun.target);
        return refused(
          `A change of tenant ${name} to ${rules} was interrupted: finish it with these rules in the configuration`,
        );
      }
      default:
    }
    if (begun.shards !== tenant.shards) {
      return refused(`Tenant ${name} has ${begun.shards} shards, the configuration says ${tenant.shards}`);
    }
    if (begun.kind === 'done') {
      await this.limits.repair(tenant); // a run may have been interrupted behind the registration
      return { kind: 'unchanged' };
    }
    this.options.onBegin?.(begun.registered);
    return { kind: 'done', report: await this.change(tenant, { from: begun.registered, to: identity }) };
  }

  private async change(tenant: RekeyedTenant, change: IdentityChange): Promise<RekeyReport> {
    await pause(this.options.noticeMs);
    const contexts = shardNumbers(tenant).map((shard) => this.context(tenant, shard));
    for (const context of contexts) await this.call(() => closeShard(context));
    for (const context of contexts) await this.settle(tenant, context);

    const report = new RekeyReport();
    const formerNames = await this.renameAll(tenant, change, report);
    await this.rekeyLimits(tenant, change, formerNames, report);
    await this.countOvershoot(tenant, report);
    this.assertHeld();
    await this.call(() => finishRekey(this.tenantContext(tenant), tenant.identity));
    await this.limits.repair(tenant);
    return report;
  }

  /** What would give sessions other users, or end them, later: handovers that are under way, and departed runs of nodes. */
  private async settle(tenant: RekeyedTenant, context: ShardContext): Promise<void> {
    const { client, deadlineMs, tombstoneMs } = this.options;
    const contextOf = (_: TenantRef, shard: number) => this.context(tenant, shard);
    const handovers = new CrossShardHandover({ limits: this.limits, deadlineMs, tombstoneMs, contextOf });
    const { offersDue } = shardKeys(tenant, context.shard);
    for (;;) {
      const ids = await this.call(() => client.zrange(offersDue, '0', `${OFFERS_PER_READ - 1}`));
      if (ids.length === 0) break;
      this.assertHeld();
      for (const id of ids) await handovers.takeBack(tenant, context.shard, id);
    }
    while ((await this.call(() => drainRun(context, DRAINED_PER_CALL, tombstoneMs))).runsLeft > 0) this.assertHeld();
  }

  /** Passes until one leaves nothing to change; returns under which names the users with limits go on. */
  private async renameAll(
    tenant: RekeyedTenant,
    change: IdentityChange,
    report: RekeyReport,
  ): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const books = new Books(this.options.client, this.options.deadlineMs);
    const limited = limitedUsers(await this.limits.read(tenant));
    const total = await books.total(tenant);
    const given = new Map<string, string[]>();
    for (const user of limited) {
      const name = givenName(user, change.to);
      given.set(name, [...(given.get(name) ?? []), user]);
    }
    const names = new Map<string, Set<string>>();
    const bare = new Map<string, string>();
    const splits = new Splits();
    let looked = 0;
    const walk = new RekeyWalk(tenant, change, report, {
      deadlineMs: this.options.deadlineMs,
      tombstoneMs: this.options.tombstoneMs,
      contextOf: (shard) => this.context(tenant, shard),
      onPage: () => {
        this.assertHeld();
        this.options.onProgress?.(Math.min(looked, total), total);
      },
    });
    const settled: Settled = ({ id, user: is, from }, user) => {
      looked++;
      const former = formerUser(user, from, change);
      splits.add(is === user ? former : is, user);
      // Where no From tells the former name, the user was given outright, and goes on as the rules write that.
      for (const was of limited.has(former) ? [former] : (given.get(user) ?? [])) {
        names.set(was, (names.get(was) ?? new Set()).add(user));
      }
      if (change.from.domain === 'drop' && lacksDomain(user, change.to)) bare.set(id, user);
    };
    for (let passes = 0; passes < MAX_PASSES; passes++) {
      if ((await walk.pass(settled)) > 0) continue;
      for (const user of bare.values()) report.withoutDomain.add(user);
      splits.listIn(report.splits);
      report.sessions = await books.total(tenant);
      return names;
    }
    throw new Error(`The sessions of tenant ${tenant.name} are being changed by others; stop them and run this again`);
  }

  private async rekeyLimits(
    tenant: RekeyedTenant,
    change: IdentityChange,
    formerNames: ReadonlyMap<string, ReadonlySet<string>>,
    report: RekeyReport,
  ): Promise<void> {
    const namesOf = (user: string) => [...new Set([renamedName(user, change), ...(formerNames.get(user) ?? [])])];
    await this.limits.rekey(tenant, (document) => {
      const rekeyed = rekeyedLimits(document, namesOf, tenant.identity);
      report.limits = rekeyed.colliding;
      return rekeyed.document;
    });
    if (change.from.domain !== 'drop') return;
    for (const user of limitedUsers({ api: (await this.limits.read(tenant)).api })) {
      if (lacksDomain(user, change.to) && !formerNames.has(user)) report.limitsWithoutDomain.add(user);
    }
  }

  private async countOvershoot(tenant: RekeyedTenant, report: RekeyReport): Promise<void> {
    const document: LimitsDocument = await this.limits.read(tenant);
    const limits = effectiveLimits(document);
    if (!limits.enabled) return;
    for (const { user, activeSessions } of await new Books(this.options.client, this.options.deadlineMs).users(
      tenant,
    )) {
      const max = limitOf(limits, user);
      if (max === 0 || activeSessions <= max) continue;
      report.overshoot.add(user);
      report.excess += activeSessions - max;
    }
  }

  /** Two runs side by side would do each other no harm; but one that has lost its lease must not go on. */
  private assertHeld(): void {
    if (this.lost) throw new Error('Another run has taken over: this one was silent for too long');
  }

  private context(tenant: RekeyedTenant, shard: number): ShardContext {
    const { name, shards, identity } = tenant;
    return { ...this.tenantContext(tenant), tenant: name, shards, shard, identity };
  }

  private tenantContext({ name }: TenantRef) {
    return { client: this.options.client, tenant: name, clockMs: this.options.clockMs };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

function refused(reason: string): RekeyOutcome {
  return { kind: 'refused', reason };
}

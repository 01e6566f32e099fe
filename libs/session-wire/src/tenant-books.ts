import { policyFor, type BerthConfig, type Logger, type TenantConfig } from '#service-kit';
import {
  NodesStore,
  SessionStore,
  SnapshotsStore,
  type Contest,
  type DecisionObserver,
  type StoreClient,
  type TenantRef,
} from '#session-core';

/** A tenant and the ways to its books. */
export interface TenantBooks {
  readonly ref: TenantRef;
  readonly config: TenantConfig;
  readonly store: SessionStore;
  readonly nodes: NodesStore;
  readonly snapshots: SnapshotsStore;
}

/** Opens the books of every tenant of the configuration, over one connection. `observer` hears of each decision. */
export function openBooks(
  config: BerthConfig,
  client: StoreClient,
  logger: Logger,
  observer?: DecisionObserver,
): TenantBooks[] {
  const { nodes: policy, store } = config;
  return Object.values(config.tenants).map((tenant) => {
    const common = { client, deadlineMs: store.decisionDeadlineMs };
    return {
      ref: { name: tenant.name, shards: tenant.shards, identity: tenant.identity },
      config: tenant,
      store: new SessionStore({
        ...common,
        // Here and below: it may change while the process runs.
        get tombstoneMs() {
          return tenant.tombstoneMs;
        },
        observer,
      }),
      nodes: new NodesStore({
        ...common,
        get tombstoneMs() {
          return tenant.tombstoneMs;
        },
        policy,
        onContested: (contest) => warnOfContest(logger, contest),
      }),
      snapshots: new SnapshotsStore({
        ...common,
        get tombstoneMs() {
          return tenant.tombstoneMs;
        },
        policy,
        policyOf: () => policyFor(tenant, 'sip'),
        onProgress: (progress) => logger.info({ tenant: tenant.name, ...progress }, 'Working on a snapshot'),
      }),
    };
  });
}

/** Two processes speak for one node: the line names both runs. */
export function warnOfContest(logger: Logger, { tenant, node, epoch, currentEpoch }: Contest): void {
  logger.warn(
    { tenant, node, epoch, current_epoch: currentEpoch },
    'Node contested: an older run of it still speaks, and is refused; a name belongs to one process',
  );
}

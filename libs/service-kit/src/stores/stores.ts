import { policyFor, type BerthConfig } from '#config';
import {
  CommandsStore,
  NodesStore,
  SessionStore,
  SnapshotsStore,
  type Contest,
  type DecisionObserver,
  type StoreClient,
} from '#session-core';

import type { Logger } from '../logging/logger.js';

/** The ways to the books of all tenants of the configuration. */
export interface Stores {
  readonly sessions: SessionStore;
  readonly nodes: NodesStore;
  readonly snapshots: SnapshotsStore;
  readonly commands: CommandsStore;
}

export interface StoresOptions {
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  /** Learns of each decision how it fared. */
  observer?: DecisionObserver | undefined;
}

/** Opens the books over one connection. What a tenant sets for itself holds for it alone, and may change while the process runs. */
export function openStores(
  { tenants, nodes: policy }: BerthConfig,
  client: StoreClient,
  logger: Logger,
  { deadlineMs, observer }: StoresOptions,
): Stores {
  const tenantNamed = (name: string) => {
    const tenant = tenants[name];
    if (tenant === undefined) throw new Error(`tenant ${name} is not configured`);
    return tenant;
  };
  const common = { client, deadlineMs, tombstoneMs: (tenant: string) => tenantNamed(tenant).tombstoneMs };
  return {
    sessions: new SessionStore({ ...common, observer }),
    nodes: new NodesStore({ ...common, policy, onContested: (contest) => warnOfContest(logger, contest) }),
    snapshots: new SnapshotsStore({
      ...common,
      policy,
      policyOf: (tenant) => policyFor(tenantNamed(tenant), 'sip'),
      onProgress: (progress) => logger.info({ ...progress }, 'Working on a snapshot'),
    }),
    commands: new CommandsStore(common),
  };
}

/** Two processes speak for one node: the line names both runs. */
function warnOfContest(logger: Logger, { tenant, node, epoch, currentEpoch }: Contest): void {
  logger.warn(
    { tenant, node, epoch, current_epoch: currentEpoch },
    'Node contested: an older run of it still speaks, and is refused; a name belongs to one process',
  );
}

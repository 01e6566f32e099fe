import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { assertMaySpeakForNode, CONFIG, LOGGER, ProblemException, type Logger, type Principal } from '#service-kit';
import {
  InvalidInputError,
  shardNumbers,
  StoreUnavailableError,
  type SnapshotOutcome,
  type TenantRef,
} from '#session-core';
import {
  logSessionRemoved,
  peerOf,
  rfc3339,
  snapshotPart,
  type HeartbeatBody,
  type LeaveBody,
  type SnapshotBody,
} from '#session-wire';

import { GatewayMetrics } from '../sessions/gateway.metrics.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';

/** What a beat is answered: how often to beat, and whether a snapshot is wanted, into which `mark` goes. */
export interface BeatAnswer {
  leaseSeconds: number;
  beatSeconds: number;
  snapshotWanted: boolean;
  mark: string;
  now: string;
}

/** What a part of a snapshot is answered; the figures are those of the complete one. */
export interface SnapshotAnswer {
  complete: boolean;
  adopted: number;
  restored: number;
  dropped: number;
  elsewhere: number;
  hangUp: string[];
  suspended?: string;
}

const NOTHING_YET = { adopted: 0, restored: 0, dropped: 0, elsewhere: 0, hangUp: [] };

/** What nodes say of themselves. Saying any of it again changes nothing. */
@Injectable()
export class NodesService {
  constructor(
    private readonly tenants: TenantsRepository,
    private readonly metrics: GatewayMetrics,
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The node lives. Throws `stale-epoch` if a newer run of it does, `invalid-request` for an epoch of the future, and StoreUnavailableError. */
  async beat(caller: Principal, node: string, body: HeartbeatBody): Promise<BeatAnswer> {
    assertMaySpeakForNode(caller, node);
    const { ref, nodes } = this.tenants.named(caller.tenant);
    const beat = await nodes.beat(ref, { node, ...body, via: 'http' });
    if (beat.kind === 'late') throw new StoreUnavailableError(`The beat of ${node} met its loss; beat again`);
    if (beat.kind !== 'beat') throw staleEpoch(beat.currentEpoch);
    const { mark, snapshotWanted } = beat;
    const { leaseMs, missedBeats } = this.config.nodes;
    return {
      leaseSeconds: leaseMs / 1_000,
      beatSeconds: leaseMs / missedBeats / 1_000,
      snapshotWanted,
      mark: String(mark),
      now: rfc3339(mark),
    };
  }

  /** The node holds these sessions. Throws `stale-epoch`, `invalid-request` and StoreUnavailableError. */
  async snapshot(caller: Principal, node: string, body: SnapshotBody): Promise<SnapshotAnswer> {
    assertMaySpeakForNode(caller, node);
    const { ref, config, snapshots, nodes } = this.tenants.named(caller.tenant);
    const outcome = await snapshots.part(ref, snapshotPart(node, body, config));
    this.report(node, outcome);
    if (outcome.kind === 'stale-epoch') {
      await nodes.refused(ref, { node, epoch: body.epoch });
      throw staleEpoch(outcome.currentEpoch);
    }
    if (outcome.kind === 'stale-mark') {
      throw new InvalidInputError('mark', 'must be of the latest heartbeat: this one is older than the last snapshot');
    }
    if (outcome.kind === 'empty') {
      throw new InvalidInputError('none', 'must be true for a node that holds nothing: an empty list is no evidence');
    }
    if (outcome.kind === 'part') return { complete: false, ...NOTHING_YET };
    const { adopted, restored, dropped, elsewhere, hangUp, suspended } = outcome;
    const figures = { adopted, restored, dropped, elsewhere, hangUp };
    return { complete: true, ...figures, ...(suspended !== null && { suspended }) };
  }

  /**
   * The node goes for good: what it held has ended when this returns, and its name is forgotten; only a larger epoch begins anew. Leaving again,
   * or under a name that is not known, changes nothing. Throws `stale-epoch` if a newer run of it is present, `invalid-request` for an epoch of
   * the future, and StoreUnavailableError: a reaper then goes on with what has begun.
   */
  async leave(caller: Principal, node: string, { epoch }: LeaveBody): Promise<void> {
    assertMaySpeakForNode(caller, node);
    const { ref, nodes } = this.tenants.named(caller.tenant);
    const leave = await nodes.departures.leave(ref, { node, epoch });
    if (leave.kind === 'stale') {
      await nodes.refused(ref, { node, epoch });
      throw staleEpoch(leave.currentEpoch);
    }
    this.logger.info({ tenant: ref.name, node, epoch }, 'Node left');
    await Promise.all(shardNumbers(ref).map((shard) => this.drain(ref, shard)));
  }

  /** Ends what departed runs held. The reapers do it too; here it is over when the caller hears of it. */
  private async drain(ref: TenantRef, shard: number): Promise<void> {
    const { nodes } = this.tenants.named(ref.name);
    for await (const session of nodes.drained(ref, shard)) {
      const { id: sessionId, user, endReason } = session;
      this.metrics.sessionsEnded(endReason, 1);
      logSessionRemoved(this.logger, { sessionId, user, peer: peerOf(session) });
    }
  }

  private report(node: string, outcome: SnapshotOutcome): void {
    if (outcome.kind !== 'complete') return;
    const { adopted, restored, dropped, elsewhere, hangUp, suspended } = outcome;
    const facts = { node, adopted, restored, dropped, elsewhere, hang_up: hangUp.length };
    if (suspended === null) this.logger.info(facts, 'Snapshot compared');
    else {
      this.logger.error(
        { ...facts, fuse: suspended },
        'Fuse tripped: the snapshot would end too many sessions, so it ends none; POST /api/sessions/fuses/{fuse}/allow lets it through',
      );
    }
  }
}

function staleEpoch(currentEpoch: number | null): ProblemException {
  return new ProblemException('stale-epoch', 'The node has a newer epoch, has left, or is lost until it beats again', {
    members: { currentEpoch },
  });
}

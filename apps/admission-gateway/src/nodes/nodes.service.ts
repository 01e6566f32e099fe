import { Inject, Injectable } from '@nestjs/common';

import { assertMaySpeakForNode, LOGGER, ProblemException, type Logger, type Principal } from '#service-kit';
import { InvalidInputError, StoreUnavailableError, type Beat, type SnapshotOutcome } from '#session-core';
import { snapshotPart, type HeartbeatBody, type SnapshotBody } from '#session-wire';

import { TenantsRepository } from '../tenants/tenants.repository.js';

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
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The node lives. Throws `stale-epoch` if a newer run of it does, `invalid-request` for an epoch of the future, and StoreUnavailableError. */
  async beat(caller: Principal, node: string, body: HeartbeatBody): Promise<Extract<Beat, { kind: 'beat' }>> {
    assertMaySpeakForNode(caller, node);
    const { ref, nodes } = this.tenants.named(caller.tenant);
    const beat = await nodes.beat(ref, { node, ...body, via: 'http' });
    if (beat.kind === 'beat') return beat;
    if (beat.kind === 'late') throw new StoreUnavailableError(`The beat of ${node} met its loss; beat again`);
    throw staleEpoch(beat.currentEpoch);
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
  return new ProblemException('stale-epoch', 'The node has a newer epoch, or is lost until it beats again', {
    members: { currentEpoch },
  });
}

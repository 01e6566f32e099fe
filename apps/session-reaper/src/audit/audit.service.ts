import { randomUUID } from 'node:crypto';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { pause } from '#basics';
import type { BerthConfig } from '#config';
import { CONFIG, REDIS, TenantRegistryService, type EndsFirst } from '#service-kit';
import { auditKeys, Audits, Lease, type StoreClient } from '#session-core';

import { ReaperReportService } from '../report/reaper-report.service.js';
import { allShards, type ShardRef } from '../shards.js';

/** Of Redis, in one call. */
const PIECE_MS = 1;
/** The audit takes at most this share of the time of each master. */
const SHARE = 0.01;
/** Between the end of a pass over a shard and the next one. */
const REST_MS = 60_000;
/** A piece that took no time that could be measured. */
const LEAST_MS = 0.1;
const LEASE_MS = 15_000;
const LEASE_KEPT_MS = 5_000;
const LOOK_AGAIN_MS = 5_000;

/**
 * Compares the indices of all shards with their records, again and again, and mends what differs; see `audit.lua`. Of any number of reapers
 * one does it. A pass goes on where it stopped, here or in another process.
 */
@Injectable()
export class AuditService implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly audits: Audits;
  private readonly lease: Lease;
  private readonly shards: readonly ShardRef[];
  private readonly stopping = new AbortController();
  private auditing: Promise<void> | undefined;
  private heldUntil = -Infinity;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    private readonly registry: TenantRegistryService,
    private readonly report: ReaperReportService,
  ) {
    const { deadlineMs } = config.redis;
    this.audits = new Audits({ client, deadlineMs });
    this.lease = new Lease({ client, deadlineMs, key: auditKeys.lease, holder: randomUUID() });
    this.shards = [...allShards(config).values()];
  }

  onApplicationBootstrap(): void {
    this.auditing = this.run();
  }

  /** The piece in hand comes to its end, and the next process may begin at once. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.auditing;
    if (this.heldUntil > performance.now()) await this.lease.take(0).catch(() => {});
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      if (await this.isMine()) await Promise.all(this.lanes().map((shards) => this.lane(shards)));
      await pause(LOOK_AGAIN_MS, this.stopping.signal);
    }
  }

  /** A master's shards one after the other. How many shards of a tenant are on a master follows from their tags, see shard-tags.ts. */
  private lanes(): ShardRef[][] {
    const { masters } = this.audits;
    const lanes = Array.from({ length: masters }, (): ShardRef[] => []);
    for (const ref of this.shards) lanes[Math.floor((ref.shard * masters) / ref.tenant.shards)]?.push(ref);
    return lanes;
  }

  private async lane(shards: ShardRef[]): Promise<void> {
    for (const ref of shards) {
      try {
        await this.pass(ref);
      } catch (error) {
        this.report.auditFailed(ref.tenant.name, error);
      }
    }
  }

  /** A whole pass over a shard, unless the last one is not long over; ends early when the lease is lost or the process stops. */
  private async pass({ tenant, shard }: ShardRef): Promise<void> {
    while (!this.stopping.signal.aborted && this.registry.isOpen(tenant.name) && (await this.isMine())) {
      const askedAt = performance.now();
      const piece = await this.audits.piece(tenant, shard, { pieceMs: PIECE_MS, restMs: REST_MS });
      if (piece.kind === 'resting') return;
      for (const session of piece.ended) this.report.sessionEnded(session);
      if (piece.kind === 'done') this.report.audited(tenant.name, shard, piece.found);
      // Where the server cannot say how long it took, the whole wait counts.
      const tookMs = piece.tookMs > 0 ? Math.max(piece.tookMs, LEAST_MS) : performance.now() - askedAt;
      await pause(tookMs * (1 / SHARE - 1), this.stopping.signal);
      if (piece.kind === 'done') return;
    }
  }

  private async isMine(): Promise<boolean> {
    const now = performance.now();
    if (now < this.heldUntil - LEASE_MS + LEASE_KEPT_MS) return true;
    const isMine = await this.lease.take(LEASE_MS).catch(() => false);
    this.heldUntil = isMine ? now + LEASE_MS : -Infinity;
    return isMine;
  }
}

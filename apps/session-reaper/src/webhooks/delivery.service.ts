import { randomUUID } from 'node:crypto';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { pause } from '#basics';
import type { BerthConfig, WebhookConfig } from '#config';
import { CONFIG, LOGGER, maySpeakFor, type EndsFirst, type Logger } from '#service-kit';
import { shardNumbers, StoreUnavailableError, type Command, type CommandsStore, type TenantRef } from '#session-core';

import { CommandsMetrics } from '../commands/commands.metrics.js';
import { TenantCommands } from '../commands/tenant-commands.js';
import { resultsOf } from './answer.schema.js';
import { NodeDelivery } from './node-delivery.js';
import { WebhookClient } from './webhook-client.js';

/** How late a webhook may learn of a new command. */
const LOOK_MS = 250;
/** Of a node whose reaper died, another one takes care after this long. */
const LEASE_MS = 15_000;
const RENEW_MS = LEASE_MS / 3;
const RETRY_MS = 1_000;
/** Nodes that are served at once: a webhook that takes its time must not hold up those of others. */
const MAX_ROUNDS = 32;

interface Target {
  tenant: TenantRef;
  store: CommandsStore;
  node: string;
  webhook: WebhookConfig;
}

/**
 * Brings commands to the webhooks of the configuration. Each node is one reaper's at a time; that reaper keeps it, also while
 * it backs off, so that no webhook is called more often because there are more reapers.
 */
@Injectable()
export class DeliveryService implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly holder = randomUUID();
  private readonly deliveries = new Map<string, { target: Target; delivery: NodeDelivery }>();
  private readonly rounds = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private looking: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly tenants: TenantCommands,
    private readonly client: WebhookClient,
    private readonly metrics: CommandsMetrics,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.commands.webhooks.length > 0) this.looking = this.lookUntilStopped();
  }

  /** Requests that are under way are broken off; their commands come again. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.looking;
    await Promise.all(this.rounds);
    await Promise.allSettled([...this.deliveries.values()].map((known) => this.giveBack(known)));
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private async lookUntilStopped(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.look();
      } catch (error) {
        const expected = error instanceof StoreUnavailableError;
        this.logger[expected ? 'debug' : 'error'](
          { err: error },
          'Commands for webhooks not looked for; it will be tried again',
        );
      }
      await pause(LOOK_MS, this.stopping.signal);
    }
  }

  /** Finds the nodes that have commands, and starts a round for each that is due. */
  private async look(): Promise<void> {
    const commanded = new Set<string>();
    for (const { tenant, store } of this.tenants.all) {
      for (const [node, atMs] of await latestCommands(tenant, store)) {
        const webhook = this.webhookOf(tenant, node);
        if (webhook === undefined) continue;
        const key = `${tenant.name} ${node}`;
        const known = this.deliveries.get(key) ?? {
          target: { tenant, store, node, webhook },
          delivery: new NodeDelivery(),
        };
        this.deliveries.set(key, known);
        known.delivery.commanded(atMs);
        commanded.add(key);
      }
    }
    const now = performance.now();
    for (const [key, known] of this.deliveries) {
      if (!commanded.has(key) && !known.delivery.busy) {
        this.deliveries.delete(key);
        await this.giveBack(known);
      } else if (known.delivery.isDue(now) && this.rounds.size < MAX_ROUNDS) this.start(known.target, known.delivery);
      else if (known.delivery.leasedAt !== null && now - known.delivery.leasedAt > RENEW_MS) {
        await this.lease(known.target, known.delivery);
      }
    }
  }

  private webhookOf({ name }: TenantRef, node: string): WebhookConfig | undefined {
    const speaker = { id: 'webhook', role: 'node', tenant: name, emergency: false } as const;
    return this.config.commands.webhooks.find(({ nodes }) => maySpeakFor({ ...speaker, nodes: [nodes] }, node));
  }

  private start(target: Target, delivery: NodeDelivery): void {
    delivery.begin();
    const round = this.round(target, delivery)
      .catch((error: unknown) => {
        delivery.retry(performance.now() + RETRY_MS);
        if (error instanceof StoreUnavailableError) return;
        this.logger.error(
          { err: error, tenant: target.tenant.name, node: target.node },
          'Commands not delivered; it will be tried again',
        );
      })
      .finally(() => {
        delivery.end();
        this.rounds.delete(round);
      });
    this.rounds.add(round);
  }

  /** Sends all that is due, page by page; the first page that fails ends the round. */
  private async round(target: Target, delivery: NodeDelivery): Promise<void> {
    for await (const page of target.store.unacknowledged(target.tenant, target.node)) {
      if (!(await this.lease(target, delivery))) return delivery.retry(performance.now() + RETRY_MS);
      const due = delivery.repetition.due(page, performance.now());
      if (due.length === 0) continue;
      if (!(await this.deliver(target, delivery, due))) return;
      delivery.repetition.sent(due, performance.now());
    }
    delivery.complete(performance.now());
  }

  private async deliver(target: Target, delivery: NodeDelivery, commands: Command[]): Promise<boolean> {
    const { tenant, node, webhook } = target;
    const wire = commands.map(({ commandId, sessionId, attempt, reason }) => ({
      commandId,
      sessionId,
      attempt,
      reason,
    }));
    const body = JSON.stringify({ tenant: tenant.name, node, commands: wire });
    const answer = await this.client.post(webhook, body, this.stopping.signal);
    if (this.stopped && answer.kind === 'failed') return false;
    this.metrics.webhookRequest(answer.kind);
    const event = { tenant: tenant.name, node, host: new URL(webhook.url).host };
    if (answer.kind === 'failed') {
      if (delivery.failures === 0)
        this.logger.warn({ ...event, reason: answer.reason }, 'Webhook failed; it will be tried again');
      delivery.backOff(performance.now());
      return false;
    }
    if (delivery.failures > 0) this.logger.info(event, 'Webhook works again');
    delivery.works();
    await this.settle(target, commands, answer.body);
    return true;
  }

  /** Ends what the webhook says is done. What it was not sent is not its to acknowledge. */
  private async settle({ tenant, store, node }: Target, sent: Command[], body: string): Promise<void> {
    const byId = new Map(sent.map((command) => [command.commandId, command]));
    for (const { commandId, result, cause } of resultsOf(body)) {
      const command = byId.get(commandId);
      if (command === undefined) continue;
      if (result !== 'failed') await store.acknowledge(tenant, node, commandId);
      else {
        const event = { tenant: tenant.name, node, session_id: command.sessionId, attempt: command.attempt };
        this.logger.warn({ ...event, cause: cause ?? null }, 'Command failed at its node; it will be sent again');
      }
    }
  }

  private async lease({ tenant, store, node }: Target, delivery: NodeDelivery): Promise<boolean> {
    const own = await store.leaseDelivery(tenant, node, this.holder, LEASE_MS);
    delivery.leasedAt = own ? performance.now() : null;
    return own;
  }

  private async giveBack({
    target: { tenant, store, node },
    delivery,
  }: {
    target: Target;
    delivery: NodeDelivery;
  }): Promise<void> {
    if (delivery.leasedAt !== null) await store.leaseDelivery(tenant, node, this.holder, 0);
  }
}

/** The nodes of a tenant that have commands, with the moment of the latest. */
async function latestCommands(tenant: TenantRef, store: CommandsStore): Promise<Map<string, number>> {
  const latest = new Map<string, number>();
  const shards = await Promise.all(shardNumbers(tenant).map((shard) => store.commandedSince(tenant, shard, 0)));
  for (const { node, atMs } of shards.flat()) latest.set(node, Math.max(atMs, latest.get(node) ?? 0));
  return latest;
}

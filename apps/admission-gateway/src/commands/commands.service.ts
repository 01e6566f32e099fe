import { Inject, Injectable } from '@nestjs/common';

import { assertMaySpeakForNode, LOGGER, ProblemException, type Logger, type Principal } from '#service-kit';
import type { Command } from '#session-core';

import { CommandsRepository } from './commands.repository.js';
import type { AckBody } from './commands.schema.js';

/** The commands of a node, and what it reports of them. */
@Injectable()
export class CommandsService {
  constructor(
    private readonly commands: CommandsRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** What the node has not acknowledged, oldest first, and whether there is more than `max`. */
  async poll(caller: Principal, node: string, max: number): Promise<{ commands: Command[]; more: boolean }> {
    assertMaySpeakForNode(caller, node);
    const { tenant, store } = this.commands.named(caller.tenant);
    return await store.oldest(tenant, node, max);
  }

  /**
   * `done` and `gone` end the command; `failed` keeps it. Saying it again is as good as saying it once.
   *
   * Throws `invalid-request` for what is no id of a command, `not-found` for that of another node's.
   */
  async acknowledge(caller: Principal, node: string, commandId: string, { result, cause }: AckBody): Promise<void> {
    assertMaySpeakForNode(caller, node);
    const { tenant, store } = this.commands.named(caller.tenant);
    const address = store.addressOf(tenant, node, commandId);
    if (address === null) throw new ProblemException('not-found', 'This node was given no command with this id');
    const event = { tenant: tenant.name, node, session_id: address.sessionId, attempt: address.attempt };
    if (result === 'failed') {
      this.logger.warn({ ...event, cause: cause ?? null }, 'Command failed at its node; it will be sent again');
      return;
    }
    await store.acknowledge(tenant, node, commandId);
    this.logger.debug({ ...event, result }, 'Command acknowledged');
  }
}

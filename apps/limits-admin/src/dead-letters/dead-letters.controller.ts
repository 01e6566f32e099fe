import { Controller, Delete, Get, Inject, Param, Post, Query } from '@nestjs/common';

import {
  Caller,
  LOGGER,
  Needs,
  Operation,
  parseQuery,
  ProblemException,
  Tag,
  type Logger,
  type Principal,
} from '#service-kit';
import { DeadLettersStore, type DeadLetter } from '#session-core';
import { rfc3339 } from '#session-wire';

import { DEAD_LETTERS } from './dead-letters.operations.js';
import { deadLettersQuery } from './dead-letters.schema.js';

/** Events of servers that could not be applied: look at them, mend what is wrong, and replay or discard them. */
@Controller('api/sessions/dead-letters')
@Tag('dead letters')
export class DeadLettersController {
  constructor(
    private readonly deadLetters: DeadLettersStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @Operation(DEAD_LETTERS.list)
  @Needs('fleet.read')
  async list(@Caller() { tenant }: Principal, @Query() query: unknown) {
    const { cursor = null, limit } = parseQuery(deadLettersQuery, query);
    const { deadLetters, nextCursor, total } = await this.deadLetters.page(tenant, cursor, limit);
    return { deadLetters: deadLetters.map(view), nextCursor, total };
  }

  @Post(':id/replay')
  @Operation(DEAD_LETTERS.replay)
  @Needs('fleet.mend')
  async replay(@Caller() caller: Principal, @Param('id') id: string) {
    if (!(await this.deadLetters.replay(caller.tenant, id))) throw unknownLetter();
    this.logger.info({ dead_letter: id, by: caller.id }, 'Event replayed');
    return { success: true, message: `Event ${id} was published again` };
  }

  @Delete(':id')
  @Operation(DEAD_LETTERS.discard)
  @Needs('fleet.mend')
  async discard(@Caller() caller: Principal, @Param('id') id: string) {
    if (!(await this.deadLetters.discard(caller.tenant, id))) throw unknownLetter();
    this.logger.info({ dead_letter: id, by: caller.id }, 'Event discarded');
    return { success: true, message: `Event ${id} was discarded` };
  }
}

function view({ atMs, ...letter }: DeadLetter) {
  return { at: rfc3339(atMs), ...letter };
}

function unknownLetter(): ProblemException {
  return new ProblemException('not-found', 'No dead letter has this id; GET /api/sessions/dead-letters lists them');
}

import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';

import {
  assertMaySpeakForNode,
  Caller,
  Needs,
  Operation,
  parseBody,
  parseQuery,
  ProblemException,
  Tag,
  type Principal,
} from '#service-kit';
import { Books, InvalidInputError } from '#session-core';
import { sessionId as idSchema, sessionView, unreadableView } from '#session-wire';

import { Tenants } from '../tenants.service.js';
import { SESSIONS } from './sessions.operations.js';
import { SessionAttemptsService } from './session-attempts.service.js';
import { attemptsView } from './session-attempts.view.js';
import { activeQuery, sessionQuery, terminateBody, terminateQuery } from './sessions.schema.js';
import { TerminationService, visibleTo } from './termination.service.js';

const MAX_ID_BYTES = 256;
/** The words that paths of this surface begin with; sessions with such an id are reached by `/v1`. */
const PATH_WORDS = new Set([
  'limits',
  'users',
  'active',
  'stats',
  'history',
  'violations',
  'peaks',
  'traffic',
  'nodes',
  'fuses',
  'dead-letters',
  'groups',
  'tenants',
]);

@Controller('api/sessions')
@Needs('sessions.end')
@Tag('sessions')
export class SessionsController {
  constructor(
    private readonly books: Books,
    private readonly termination: TerminationService,
    private readonly attempts: SessionAttemptsService,
    private readonly tenants: Tenants,
  ) {}

  @Get('active')
  @Operation(SESSIONS.active)
  @Needs('sessions.read')
  async active(@Caller() caller: Principal, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const { username, node, cursor = null, limit } = parseQuery(activeQuery, query);
    if (node !== undefined) assertMaySpeakForNode(caller, node);
    const user = username === undefined ? undefined : this.tenants.user(tenant, username);
    const filter = { user, node, ...visibleTo(caller) };
    const { sessions, unreadable, nextCursor } = await this.books.sessions(tenant, filter, cursor, limit);
    return { sessions: [...sessions.map(sessionView), ...unreadable.map(unreadableView)], nextCursor };
  }

  @Get(':sessionId')
  @Operation(SESSIONS.show)
  @Needs('sessions.read')
  async show(@Caller() caller: Principal, @Param('sessionId') inPath: string, @Query() query: unknown) {
    const tenant = this.tenants.of(caller);
    const id = idOf(inPath, parseQuery(sessionQuery, query).session_id);
    return attemptsView(id, await this.attempts.of(tenant, id, caller), this.attempts.isKept);
  }

  @Delete(':sessionId')
  @Operation(SESSIONS.delete)
  async delete(
    @Caller() caller: Principal,
    @Param('sessionId') sessionId: string,
    @Query() query: unknown,
    @Body() body: unknown,
  ) {
    return await this.terminated(caller, sessionId, query, body);
  }

  @Post(':sessionId/terminate')
  @Operation(SESSIONS.terminate)
  async terminate(
    @Caller() caller: Principal,
    @Param('sessionId') sessionId: string,
    @Query() query: unknown,
    @Body() body: unknown,
  ) {
    return await this.terminated(caller, sessionId, query, body);
  }

  private async terminated(caller: Principal, sessionId: string, query: unknown, body: unknown) {
    if (PATH_WORDS.has(sessionId)) throw new ProblemException('not-found', 'No such path, or not with this method');
    if (Buffer.byteLength(sessionId) > MAX_ID_BYTES) {
      throw new InvalidInputError('sessionId', `must have at most ${MAX_ID_BYTES} bytes`);
    }
    const tenant = this.tenants.of(caller);
    const { user: written } = parseQuery(terminateQuery, query);
    const { reason } = parseBody(terminateBody, body);
    const user = written === undefined ? undefined : this.tenants.user(tenant, written, 'user');
    if (!(await this.termination.ofSession(tenant, { sessionId, user }, { by: caller, note: reason ?? '' }))) {
      throw new ProblemException('session-unknown', 'No live session has this id');
    }
    return { success: true, message: `Session ${sessionId} terminated` };
  }
}

const ID = idSchema();
/** In a path, stands for the id in the query. */
const IN_QUERY = '-';

function idOf(inPath: string, inQuery: string | undefined): string {
  if (inPath === IN_QUERY) {
    if (inQuery !== undefined) return inQuery;
    throw new InvalidInputError('session_id', 'must be given where the path has - for the id');
  }
  if (inQuery !== undefined && inQuery !== inPath) {
    throw new InvalidInputError('session_id', 'is another id than the path has; write - in the path');
  }
  const { success, error } = ID.safeParse(inPath);
  if (!success) throw new InvalidInputError('sessionId', error.issues[0]?.message ?? 'must be an id');
  return inPath;
}

import { randomUUID } from 'node:crypto';

import { Calls, type Answered, type CallOptions } from './calls.js';
import { BerthError, UnavailableError } from './errors.js';
import { Facts, type FactJournal, type Totals } from './facts.js';
import { Gateways } from './gateways.js';
import type { Admitted, Beat, Command, Operations, SessionNow, Snapshot } from './generated/operations.js';
import { readOptions, type ClientOptions, type Settings } from './options.js';
import {
  decisionOf,
  goneOf,
  goneOutcome,
  handoverOutcome,
  sessionOutcome,
  staleOutcome,
  type AdmissionRequest,
  type AdmitOutcome,
  type BeatOutcome,
  type Decision,
  type EndOutcome,
  type HandoverOutcome,
  type RenewOutcome,
  type SessionOutcome,
  type SnapshotOutcome,
} from './outcomes.js';
import { failureOf } from './problems.js';
import type { Call } from './transport.js';

/** Which session is meant, where its id alone does not say it. */
export interface SessionHint {
  /** Which attempt of the id; without it the one that lives. */
  attempt?: number;
  /** The user of the session: spares a search where the tenant has several shards. */
  user?: string;
}

type Activity = Omit<Operations['sessions_activity']['body'] & object, 'sessionId' | 'attempt'>;
type Transfer = Omit<Operations['transfer_transfer']['body'], 'sessionId' | 'attempt'>;
type Heartbeat = Operations['nodes_heartbeat']['body'];
type SnapshotPart = Operations['nodes_snapshot']['body'];
type SessionFound = Operations['sessions_get']['answer'];

/**
 * Asks the gateways of a fleet. What a gateway decides is returned as a value; that nothing could be decided is an UnavailableError, and what the
 * caller did wrong another BerthError. Every call has a deadline, retries and fails over to other gateways within it.
 */
export class BerthClient {
  protected readonly settings: Settings;
  private readonly gateways: Gateways;
  private readonly calls: Calls;
  protected readonly facts: Facts;

  /** Throws BerthError, code `invalid-option`. Connects with the first call. The journal is that of a BerthNode. */
  constructor(options: ClientOptions, journal: FactJournal | null = null) {
    this.settings = readOptions(options);
    this.gateways = new Gateways(this.settings.gateways);
    this.calls = new Calls(this.gateways);
    this.facts = new Facts(this.calls, this.settings.deadlineMs, this.settings.onProblem, journal);
  }

  /**
   * May this session start? One that may holds a slot until `end`.
   *
   * Give the id of the session (a Call-ID): without it one is made, and `sessionId` of the outcome is it. All retries use the same id, so that
   * none takes a second slot. After UnavailableError the id and attempt are over: what they may have got is given back as soon as a gateway
   * answers, and a later attempt needs a larger `attempt`, or another id.
   */
  async admit(request: AdmissionRequest, options: CallOptions = {}): Promise<AdmitOutcome> {
    const asked = this.complete(request);
    const { sessionId, attempt = 1 } = asked;
    if (this.facts.isLetThrough(sessionId, attempt)) return { kind: 'let-through', mayStart: true, sessionId };
    if (!this.facts.takeDoubtBack(sessionId, attempt)) {
      return { kind: 'ended', mayStart: false, sessionId, sip: { code: 503, reason: 'Service Unavailable' } };
    }
    try {
      const hasty = this.settings.ceiling > 0;
      const answer = await this.ask({ operation: 'sessions_create', body: asked }, options, hasty);
      const decision = decisionOf(sessionId, answer);
      // Some earlier try may be on its way still, and find room.
      if (answer.inDoubt && (decision.kind === 'rejected' || decision.kind === 'stale-epoch')) await this.doubt(asked);
      return decision;
    } catch (error) {
      return await this.undecided(asked, error);
    }
  }

  /** What `admit` would be answered, and changes nothing. */
  async check(request: AdmissionRequest, options: CallOptions = {}): Promise<Decision> {
    const asked = this.complete(request);
    return decisionOf(asked.sessionId, await this.ask({ operation: 'sessions_check', body: asked }, options));
  }

  /** The call was answered: reserved becomes active. */
  async confirm(
    sessionId: string,
    { attempt, user, ...options }: SessionHint & CallOptions = {},
  ): Promise<SessionOutcome> {
    return sessionOutcome(await this.about('sessions_confirm', sessionId, { attempt }, { user, ...options }));
  }

  /** Gives a user to a session that was admitted without one, if that user has room. */
  async authenticate(
    sessionId: string,
    user: string,
    { attempt, ...options }: { attempt?: number } & CallOptions = {},
  ): Promise<HandoverOutcome> {
    return handoverOutcome(sessionId, await this.about('transfer_authenticate', sessionId, { attempt, user }, options));
  }

  /** Renews the idle time, with totals so far. */
  async activity(
    sessionId: string,
    { attempt, user, deadlineMs, signal, ...totals }: Activity & SessionHint & CallOptions = {},
  ): Promise<RenewOutcome> {
    const answer = await this.about(
      'sessions_activity',
      sessionId,
      { attempt, ...totals },
      callOf(user, deadlineMs, signal),
    );
    if (answer.status < 300) {
      return { kind: 'renewed', expiresAt: (answer.body as Operations['sessions_activity']['answer']).expiresAt };
    }
    return goneOutcome(answer);
  }

  /**
   * Ends a session. Where no gateway can take it, it is kept and delivered later (`kept`), by this process.
   *
   * Throws BerthError, code `too-much-kept`, where too many ends wait already.
   */
  async end(
    sessionId: string,
    {
      attempt,
      user,
      reason,
      deadlineMs,
      signal,
      ...totals
    }: Totals & SessionHint & CallOptions & { reason?: string } = {},
  ): Promise<EndOutcome> {
    const ending = { ...(attempt !== undefined && { attempt }), ...(reason !== undefined && { reason }), ...totals };
    const keep = async (): Promise<EndOutcome> => {
      await this.facts.keep({ v: 1, type: 'session.ended', sessionId, ...(user !== undefined && { user }), ...ending });
      return { kind: 'kept' };
    };
    if (this.facts.has(sessionId)) return await keep();
    try {
      const answer = await this.about('sessions_end', sessionId, ending, callOf(user, deadlineMs, signal));
      return answer.status < 300 ? { kind: 'ended' } : goneOutcome(answer);
    } catch (error) {
      if (error instanceof UnavailableError || (error instanceof BerthError && error.code === 'internal-error'))
        return await keep();
      throw error;
    }
  }

  /** Hands a live session over to another node, and if they are named to another user or id. */
  async transfer(
    sessionId: string,
    { attempt, deadlineMs, signal, ...to }: Transfer & { attempt?: number } & CallOptions,
  ): Promise<HandoverOutcome> {
    const answer = await this.about(
      'transfer_transfer',
      sessionId,
      { attempt, ...to },
      callOf(undefined, deadlineMs, signal),
    );
    return handoverOutcome(sessionId, answer);
  }

  /** The session, live or ended; null if it is unknown. */
  async get(
    sessionId: string,
    { user, ...options }: { user?: string } & CallOptions = {},
  ): Promise<SessionFound | null> {
    const call = { operation: 'sessions_get', params: { id: sessionId }, query: { user } } as const;
    const answer = await this.ask(call, options);
    if (answer.status < 300) return answer.body as SessionFound;
    if (goneOf(answer)?.kind === 'unknown') return null;
    throw failureOf(answer);
  }

  /** A beat of a node. A larger epoch is a new run: what its earlier ones held ends. */
  async heartbeat(node: string, beat: Heartbeat, options: CallOptions = {}): Promise<BeatOutcome> {
    const answer = await this.ask({ operation: 'nodes_heartbeat', params: { node }, body: beat }, options);
    if (answer.status < 300) return { kind: 'beat', ...(answer.body as Beat) };
    return staleOutcome(answer);
  }

  /** The list of what a node holds, or one part of it: at most 1,000 sessions and 1 MiB. */
  async snapshot(node: string, part: SnapshotPart, options: CallOptions = {}): Promise<SnapshotOutcome> {
    const answer = await this.ask({ operation: 'nodes_snapshot', params: { node }, body: part }, options);
    if (answer.status < 300) return { kind: 'taken', ...(answer.body as Snapshot) };
    return staleOutcome(answer);
  }

  /** What the node has to hang up, oldest first, and whether more comes once these are acknowledged. */
  async commands(
    node: string,
    options: CallOptions & { max?: number } = {},
  ): Promise<{ commands: Command[]; more: boolean }> {
    const { max, ...call } = options;
    const answer = await this.ask({ operation: 'commands_poll', params: { node }, body: { max } }, call);
    if (answer.status >= 300) throw failureOf(answer);
    return answer.body as Operations['commands_poll']['answer'];
  }

  /** Reports a command as carried out (`done`), needless (`gone`) or not carried out (`failed`: it comes again). */
  async acknowledge(
    node: string,
    commandId: string,
    { result, cause, ...options }: Operations['commands_acknowledge']['body'] & CallOptions,
  ): Promise<void> {
    const call = { operation: 'commands_acknowledge', params: { node, commandId }, body: { result, cause } } as const;
    const answer = await this.ask(call, options);
    if (answer.status >= 300) throw failureOf(answer);
  }

  /** The commands of a node as they come, until the stream ends: then call again, and `commands` meanwhile. */
  watchCommands(node: string, { signal }: { signal: AbortSignal }): AsyncIterable<Command> {
    return this.calls.watch(node, signal);
  }

  /** The node goes for good: what it holds ends, its name is forgotten. */
  async leaveAs(node: string, epoch: number, options: CallOptions = {}): Promise<void> {
    const answer = await this.ask({ operation: 'nodes_leave', params: { node }, body: { epoch } }, options);
    if (answer.status >= 300) throw failureOf(answer);
  }

  /** What waits to be delivered: ends, and sessions that were let through. */
  get undelivered(): number {
    return this.facts.size;
  }

  /** Delivers what waits, if that can be done within the deadline, and closes the connections. Returns how much was not delivered. */
  async close(): Promise<number> {
    const left = await this.facts.close();
    this.gateways.close();
    return left;
  }

  private complete(request: AdmissionRequest): AdmissionRequest & { sessionId: string } {
    const { node, epoch } = this.settings;
    // The epoch is of this node alone.
    const own = request.node === undefined || request.node === node ? { node, epoch } : {};
    return { ...own, ...request, sessionId: request.sessionId ?? randomUUID() };
  }

  private async undecided(asked: AdmissionRequest & { sessionId: string }, error: unknown): Promise<AdmitOutcome> {
    if (!(error instanceof BerthError)) throw error;
    const { sessionId } = asked;
    if (error.code === 'unreachable' && this.facts.letThrough < this.settings.ceiling) {
      await this.facts.keep({ v: 1, type: 'session.started', ...asked });
      return { kind: 'let-through', mayStart: true, sessionId };
    }
    if (error instanceof UnavailableError ? error.inDoubt : error.code === 'internal-error') await this.doubt(asked);
    throw error;
  }

  /** What this admission may have got is given back. */
  private async doubt({ sessionId, attempt = 1, user }: AdmissionRequest & { sessionId: string }): Promise<void> {
    const reason = 'nobody was answered';
    await this.facts.keep(
      { v: 1, type: 'session.ended', sessionId, attempt, reason, ...(user !== undefined && { user }) },
      { doubt: true },
    );
  }

  private about(
    operation: Call['operation'],
    sessionId: string,
    body: object,
    { user, ...options }: { user?: string | undefined } & CallOptions,
  ): Promise<Answered> {
    // In the body an id needs no encoding, whatever proxies make of paths.
    const call = { operation, params: { id: '-' }, query: { user }, body: { sessionId, ...body } };
    // An end is kept in any case: nobody has to wait for gateways that are known to be away.
    return this.ask(call, options, operation === 'sessions_end');
  }

  private ask(
    call: Call,
    { deadlineMs = this.settings.deadlineMs, signal }: CallOptions,
    hasty = false,
  ): Promise<Answered> {
    return this.calls.send(call, { deadlineMs, signal, hasty });
  }
}

function callOf(user: string | undefined, deadlineMs: number | undefined, signal: AbortSignal | undefined) {
  return { user, ...(deadlineMs !== undefined && { deadlineMs }), ...(signal !== undefined && { signal }) };
}

export type { Activity, Admitted, Heartbeat, SessionNow, SnapshotPart, Transfer };

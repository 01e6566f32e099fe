import type { CallOptions } from '../calls.js';
import { BerthClient, type SnapshotPart } from '../client.js';
import { BerthError, UNAVAILABLE } from '../errors.js';
import type { ClientOptions } from '../options.js';
import type { AdmissionRequest, AdmitOutcome } from '../outcomes.js';
import { pause } from '../pause.js';
import { Beats, type BeatReport } from './beats.js';
import { HangUps, type OnTerminate } from './hang-ups.js';
import { Journal } from './journal.js';

/** A session that this node holds: `startedAt` is that of its admission. */
export type HeldSession = NonNullable<SnapshotPart['sessions']>[number];

export interface NodeOptions extends ClientOptions {
  /** The name of this node. It belongs to one process at a time. */
  node: string;
  /** The number of this run, larger at each start; the start in milliseconds by default. */
  epoch?: number;
  /** All sessions that this node holds now. Where it cannot know, it throws: an incomplete list would end those that it lacks. */
  sessions: () => readonly HeldSession[] | Promise<readonly HeldSession[]>;
  /** Hangs a session up that is over for Berth. */
  onTerminate: OnTerminate;
  /** The file for what gateways cannot take, so that a killed process loses none of it; without one it is kept in memory. */
  journal?: string;
  /**
   * When no beat was taken for a lease, so that other nodes may have got the slots: `keep` (the default) keeps the sessions, and they come back
   * onto the books with the next list; `hangup` hangs them up.
   */
  onLost?: 'keep' | 'hangup';
}

const PART = { sessions: 500, bytes: 450_000 };
const LIST_DEADLINE_MS = 10_000;
const DRAIN_LOOK_MS = 200;

/** A server that holds sessions: beats, lists, commands and what could not be delivered, beside all that a client does. */
export class BerthNode extends BerthClient {
  private beats: Beats | null = null;
  private readonly hangUps: HangUps;
  private draining = false;
  private listing = false;
  /** What the first beat comes to is for `start` to say. */
  private begun = false;

  /**
   * Delivers what earlier runs left in the journal, sends the first beat, which ends what they held, and goes on.
   *
   * Throws BerthError at once for what would not work later: `journal-unwritable`, `unauthorized`, `forbidden`, `invalid-request`, `invalid-option`, and
   * `stale-epoch` where the name has a newer run. That no gateway answers is none of these.
   */
  static async start(options: NodeOptions): Promise<BerthNode> {
    const epoch = options.epoch ?? Date.now();
    if (typeof options.sessions !== 'function') throw new BerthError('invalid-option', 'sessions must be a function');
    if (typeof options.onTerminate !== 'function')
      throw new BerthError('invalid-option', 'onTerminate must be a function');
    const opened = options.journal === undefined ? null : await Journal.open(options.journal);
    const node = new BerthNode({ ...options, epoch }, opened?.journal ?? null);
    try {
      // Before the first beat: what they held ends with it, and their own ends say more.
      if (opened !== null) await node.facts.takeOver(opened.facts);
      await node.begin();
      return node;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  private constructor(
    private readonly own: NodeOptions & { epoch: number },
    journal: Journal | null,
  ) {
    super(own, journal);
    this.hangUps = new HangUps(this, own.node, own.onTerminate, this.settings.onProblem);
  }

  get epoch(): number {
    return this.own.epoch;
  }

  override async admit(request: AdmissionRequest, options: CallOptions = {}): Promise<AdmitOutcome> {
    if (!this.draining) return await super.admit(request, options);
    const sessionId = request.sessionId ?? '';
    return { kind: 'node-draining', mayStart: false, sessionId, sip: UNAVAILABLE };
  }

  /** Refuses new sessions from now on (`node-draining`), and resolves when this node holds none, or `signal` aborts. */
  async drain({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    this.draining = true;
    for (;;) {
      if (signal?.aborted === true || (await this.own.sessions()).length === 0) return;
      await pause(DRAIN_LOOK_MS, signal);
    }
  }

  /** The node goes for good: what it still holds ends, its name is forgotten, and everything is closed. Throws UnavailableError where no gateway took it. */
  async leave(): Promise<void> {
    this.draining = true;
    // A beat that came later would bring the name back.
    await this.beats?.stop();
    await this.hangUps.stop();
    await this.facts.flush();
    try {
      await this.leaveAs(this.own.node, this.own.epoch);
    } finally {
      await this.close();
    }
  }

  /** Stops without leaving, as for a restart: a larger epoch ends what this run holds, and so does its lease. Returns how much was not delivered. */
  override async close(): Promise<number> {
    await this.beats?.stop();
    await this.hangUps.stop();
    return await super.close();
  }

  private async begin(): Promise<void> {
    const {
      sessions: _,
      onTerminate: __,
      onProblem: ___,
      journal: ____,
      onLost: _____,
      node,
      epoch,
      ...options
    } = this.own;
    const first = await new Promise<BeatReport>((resolve) => {
      this.beats = new Beats({ options, node, epoch }, (report) => {
        resolve(report);
        this.heard(report);
      });
    });
    if (first.kind === 'superseded') throw this.supersededError(first.currentEpoch);
    if (first.kind === 'failed' && !first.away) throw new BerthError(first.code, first.message);
    this.begun = true;
    this.hangUps.start();
  }

  private heard(report: BeatReport): void {
    switch (report.kind) {
      case 'beat':
        if (report.snapshotWanted) void this.list(report.mark);
        break;
      case 'lost':
        void this.cutOff('node_lost');
        break;
      case 'superseded':
        if (!this.begun) break;
        this.settings.onProblem(this.supersededError(report.currentEpoch));
        void this.cutOff('node_restarted');
        break;
      case 'failed':
        if (!report.away && this.begun) this.settings.onProblem(new BerthError(report.code, report.message));
        break;
    }
  }

  /** Sends the list that a gateway wants. One that fails is wanted again with the next beat. */
  private async list(mark: string): Promise<void> {
    if (this.listing) return;
    this.listing = true;
    try {
      const parts = inParts(await this.own.sessions());
      const { node, epoch } = this.own;
      for (const [index, sessions] of parts.entries()) {
        const part = { epoch, mark, part: index + 1, parts: parts.length, sessions, none: parts[0]?.length === 0 };
        const outcome = await this.snapshot(node, part, { deadlineMs: LIST_DEADLINE_MS });
        if (outcome.kind === 'stale-epoch') return;
        await this.hangUpAll(outcome.hangUp, 'reconciled');
      }
    } catch (error) {
      this.settings.onProblem(error as BerthError);
    } finally {
      this.listing = false;
    }
  }

  private async cutOff(reason: string): Promise<void> {
    if (this.own.onLost !== 'hangup') return;
    try {
      const held = await this.own.sessions();
      await this.hangUpAll(
        held.map(({ id }) => id),
        reason,
        held,
      );
    } catch (error) {
      this.settings.onProblem(error as BerthError);
    }
  }

  private async hangUpAll(ids: readonly string[], reason: string, held: readonly HeldSession[] = []): Promise<void> {
    const attempts = new Map(held.map(({ id, attempt = 1 }) => [id, attempt]));
    for (const sessionId of ids)
      await this.hangUps.hangUp({ sessionId, attempt: attempts.get(sessionId) ?? 1, reason });
  }

  private supersededError(currentEpoch: number | null): BerthError {
    const { node, epoch } = this.own;
    const why = 'another process has this name, or the clock of this machine is behind';
    return new BerthError('stale-epoch', `${node} has the run ${currentEpoch}, newer than this one (${epoch}): ${why}`);
  }
}

/** In parts that a gateway takes; one empty part for none. */
function inParts(sessions: readonly HeldSession[]): HeldSession[][] {
  const parts: HeldSession[][] = [[]];
  let bytes = 0;
  for (const session of sessions) {
    const last = parts.at(-1) ?? [];
    const size = JSON.stringify(session).length;
    if (last.length > 0 && (last.length === PART.sessions || bytes + size > PART.bytes)) {
      parts.push([session]);
      bytes = size;
    } else {
      last.push(session);
      bytes += size;
    }
  }
  return parts;
}

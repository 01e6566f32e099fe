import * as fc from 'fast-check';

import { historyEvent, type HistoryEvent } from '../src/index.js';

/** One thing that happens in a small world, with numbers that choose among what is possible at that moment. */
export interface Happening {
  what: 'admit' | 'confirm' | 'end' | 'lose' | 'transfer' | 'move' | 'traffic' | 'refuse' | 'sum' | 'forbid';
  who: number;
  which: number;
  afterMs: number;
}

export const happening = (maxGapMs = 2_000_000): fc.Arbitrary<Happening> =>
  fc.record({
    what: fc.constantFrom<Happening['what']>(
      'admit',
      'admit',
      'admit',
      'confirm',
      'end',
      'end',
      'lose',
      'transfer',
      'move',
      'traffic',
      'refuse',
      'sum',
      'forbid',
    ),
    who: fc.nat(7),
    which: fc.nat(1_000),
    afterMs: fc.oneof(fc.constant(0), fc.nat(maxGapMs)),
  });

export const TENANTS = ['default', 'acme'];
const USERS = ['alice', 'bob', '=cmd|x', 'o"brien, jr', "d'Arc", 'ünïcode\u{1F600}', '', 'carol'];
const REASONS = ['completed', 'killed', 'evicted', 'idle_timeout', 'reservation_expired', 'node_restarted'];

interface Live {
  tenant: string;
  id: string;
  attempt: number;
  user: string;
  node: string;
  state: string;
  groups: string[];
  destination: string | null;
  startedAt: number;
  traffic: Record<string, number>;
}

interface End {
  at: number;
  reason: string;
  by: string | null;
}

/** A plain Berth: it keeps who is live, counts them, and writes the events that the scripts write, in the order of one stream. */
export class World {
  readonly events: HistoryEvent[] = [];
  /** After each event: the live sessions by scope and name. */
  readonly levels: { atMs: number; scope: string; tenant: string; name: string; active: number }[] = [];
  private readonly live: Live[] = [];
  private readonly lost: Live[] = [];
  private ms: number;
  private n = 0;

  constructor(startMs: number) {
    this.ms = startMs;
  }

  get nowMs(): number {
    return this.ms;
  }

  /** Every session, as it is now, by plain bookkeeping. */
  readonly sessions = new Map<string, Live & { end: End | null }>();
  readonly refusals = new Map<string, { tenant: string; at: number; user: string; count: number; by: string }>();

  run(happenings: readonly Happening[]): this {
    for (const next of happenings) {
      this.ms += next.afterMs;
      this.n += 1;
      this.does(next);
    }
    return this;
  }

  private does({ what, who, which }: Happening): void {
    const one = this.live[which % Math.max(1, this.live.length)];
    switch (what) {
      case 'admit':
        return this.admit(who, which);
      case 'refuse':
      case 'sum':
      case 'forbid':
        return this.refuse(what, who, which);
      default:
    }
    if (what === 'lose' && which % 2 === 1 && this.lost.length > 0) return this.restore();
    if (!one) return;
    const facts = () => this.factsOf(one);
    switch (what) {
      case 'confirm':
        one.state = 'active';
        return this.tell(one, 'session.confirmed', {
          session: facts(),
          startedAt: one.startedAt,
          fromState: 'reserved',
        });
      case 'transfer':
        return this.transfer(one, who);
      case 'traffic':
        return this.traffic(one, which);
      case 'end':
        return this.end(one, REASONS[which % REASONS.length] ?? 'completed');
      case 'lose':
        this.lost.push(one);
        return this.end(one, 'node_lost');
      default:
        return this.move(one);
    }
  }

  private admit(who: number, which: number): void {
    const tenant = TENANTS[which % TENANTS.length] ?? 'default';
    const id = `call-${this.n}@pc`;
    const session: Live = {
      tenant,
      id,
      attempt: 1 + (which % 3),
      user: USERS[who] ?? '',
      node: `n${which % 2}`,
      state: which % 2 ? 'reserved' : 'active',
      groups: which % 3 === 0 ? ['trunk:west'] : which % 3 === 1 ? ['trunk:west', 'site:a'] : [],
      destination:
        [null, '198.51.100.7:5060', 'example.com:443', '[2001:db8::1]:80', '198.51.100.7:5061'][which % 5] ?? null,
      startedAt: this.ms,
      traffic: {},
    };
    this.live.push(session);
    this.remember(session, null);
    const type = session.state === 'reserved' ? 'session.reserved' : 'session.admitted';
    this.tell(session, type, { session: this.factsOf(session), ...this.counts(session, session.user) });
  }

  private traffic(one: Live, which: number): void {
    const { bytesSent = 0, bytesReceived = 0 } = one.traffic;
    one.traffic = { bytesSent: Math.max(bytesSent, which * 10), bytesReceived: Math.max(bytesReceived, which) };
    this.remember(one, null);
    this.report(one, { bytesSent: which * 10, bytesReceived: which });
  }

  private report({ tenant, id: sessionId, attempt, startedAt: startedAtMs }: Live, totals: Live['traffic']): void {
    const position = `${this.ms}-${this.n}`;
    this.events.push({
      kind: 'traffic',
      tenant,
      atMs: this.ms,
      position,
      sessionId,
      attempt,
      startedAtMs,
      totals,
      levels: [],
    });
  }

  /** Some under another id, as which the session goes on with its start and its totals. */
  private transfer(one: Live, who: number): void {
    const before = one.user;
    const from = this.n % 3 === 0 ? this.leaveId(one) : {};
    one.user = USERS[who] || 'carol';
    one.node = `n${who}`;
    this.remember(one, null);
    this.tell(one, 'session.transferred', {
      session: this.factsOf(one),
      startedAt: one.startedAt,
      ...this.counts(one, one.user),
      ...from,
      ...(before === one.user
        ? {}
        : { fromUser: before, fromUserActive: this.count(one.tenant, ({ user }) => user === before) }),
    });
    if (before !== '' && before !== one.user) this.level(one, 'user', before);
    if ('fromId' in from) this.report(one, one.traffic);
  }

  private leaveId(one: Live) {
    const { id: fromId, traffic } = one;
    one.traffic = {};
    this.end(one, 'transferred');
    this.live.push(one);
    this.n += 1;
    Object.assign(one, { id: `call-${this.n}@pc`, attempt: 1, traffic });
    return { fromId };
  }

  /** To another shard and back: it leaves, which ends nothing, and comes again. */
  private move(one: Live): void {
    this.live.splice(this.live.indexOf(one), 1);
    this.tell(one, 'session.moved', { sessionId: one.id, user: one.user, ...this.counts(one, one.user) });
    this.live.push(one);
    this.n += 1;
    const fields = { session: this.factsOf(one), startedAt: one.startedAt, ...this.counts(one, one.user) };
    this.tell(one, 'session.transferred', fields);
  }

  private end(one: Live, reason: string): void {
    this.live.splice(this.live.indexOf(one), 1);
    const by = reason === 'killed' ? `ops-${this.n % 3}` : null;
    this.remember(one, { at: this.ms, reason, by });
    this.tell(one, 'session.ended', {
      sessionId: one.id,
      attempt: one.attempt,
      user: one.user,
      node: one.node,
      startedAt: one.startedAt,
      endedAt: this.ms,
      reason,
      note: 'why; not',
      ...(by !== null && { by }),
      ...one.traffic,
      ...this.counts(one, one.user),
    });
  }

  private restore(): void {
    const one = this.lost.shift();
    if (!one) return;
    this.live.push(one);
    this.remember(one, null);
    const fields = { session: this.factsOf(one), startedAt: one.startedAt, ...this.counts(one, one.user) };
    this.tell(one, 'session.adopted', fields);
  }

  private refuse(what: 'refuse' | 'sum' | 'forbid', who: number, which: number): void {
    const tenant = TENANTS[which % TENANTS.length] ?? 'default';
    const user = USERS[who] ?? '';
    const limits = [
      { scope: which % 4 === 0 ? 'group' : 'user', key: which % 4 === 0 ? 'trunk:west' : user, max: 3, active: 3 },
    ];
    this.ms += 1; // of one id and millisecond only one refusal is kept
    const id = `refused/${this.n}`;
    const fields = {
      refuse: {
        id,
        sessionId: `again-${which % 5}@pc`,
        user,
        limits: JSON.stringify(limits),
        node: 'n1',
        correlationId: '=1+1',
      },
      sum: { id, sessionId: '', user, limits: JSON.stringify(limits), count: 1 + (which % 50) },
      forbid: {
        id,
        sessionId: which % 2 ? `proxy-${which % 3}` : '',
        user,
        limits: '[]',
        rule: 'no "east"',
        decision: 'block',
      },
    }[what];
    const by = what === 'forbid' ? 'acl' : (limits[0]?.scope ?? '');
    const count = 'count' in fields ? fields.count : 1;
    this.refusals.set(id, { tenant, at: this.ms, user, count, by });
    this.write(tenant, 'session.rejected', fields);
    // The inbox may deliver a server's refusal again, which is then written down again, later.
    if (what === 'forbid' && which % 3 === 0) {
      this.ms += 7;
      this.n += 1;
      this.write(tenant, 'session.rejected', fields);
    }
  }

  private factsOf({ id, attempt, tenant, user, node, state, groups, destination }: Live): string {
    return JSON.stringify({
      id,
      attempt,
      tenant,
      user: user || null,
      node,
      epoch: 7,
      state,
      groups,
      priority: 'normal',
      maxDurationMs: 0,
      from: '"A, \'B\'" <sip:a@x>',
      to: null,
      sourceIp: `192.0.2.${attempt}`,
      sourcePort: 5060,
      destination,
      protocol: 'sip',
      direction: null,
      correlationId: attempt === 2 ? null : '=1+1',
      metadata: { text: 'é"\n', n: 1 },
    });
  }

  private counts(one: Live, user: string) {
    const groups = one.groups.map(
      (name) => [name, this.count(one.tenant, (other) => other.groups.includes(name))] as const,
    );
    this.level(one, 'total', '');
    if (user !== '') this.level(one, 'user', user);
    for (const [name] of groups) this.level(one, 'group', name);
    return {
      totalActive: this.count(one.tenant, () => true),
      userActive: this.count(one.tenant, (other) => other.user === user),
      groupsActive: JSON.stringify(Object.fromEntries(groups)),
    };
  }

  private count(tenant: string, is: (session: Live) => boolean): number {
    return this.live.filter((session) => session.tenant === tenant && is(session)).length;
  }

  private level({ tenant }: Live, scope: string, name: string): void {
    const active = this.count(
      tenant,
      ({ user, groups }) => scope === 'total' || (scope === 'user' ? user === name : groups.includes(name)),
    );
    this.levels.push({ atMs: this.ms, scope, tenant, name, active });
  }

  private remember(one: Live, end: End | null): void {
    this.sessions.set(`${one.tenant}\n${one.id}`, { ...one, end });
  }

  private tell(one: Live, type: string, fields: Record<string, string | number>): void {
    this.write(one.tenant, type, fields);
  }

  private write(tenant: string, type: string, fields: Record<string, string | number>): void {
    const all = { v: 1, id: `e${this.n}`, type, tenant, at: this.ms, ...fields };
    const event = historyEvent({
      position: `${this.ms}-${this.n}`,
      shard: 0,
      fields: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)])),
    });
    if (event) this.events.push(event);
  }
}

/** The events in batches, some of them twice or thrice, in any order where `shuffled`. */
export function deliveries(
  events: readonly HistoryEvent[],
  choices: readonly number[],
  shuffled: boolean,
): HistoryEvent[][] {
  let at = 0;
  const choose = (below: number) => (choices[at++ % Math.max(1, choices.length)] ?? 0) % below;
  const delivered = events.flatMap((event) => Array.from({ length: 1 + (choose(4) === 0 ? 1 : 0) }, () => event));
  for (let i = shuffled ? delivered.length - 1 : 0; i > 0; i -= 1) {
    const j = choose(i + 1);
    [delivered[i], delivered[j]] = [delivered[j] as HistoryEvent, delivered[i] as HistoryEvent];
  }
  const batches: HistoryEvent[][] = [];
  for (let from = 0; from < delivered.length;) {
    const size = 1 + choose(20);
    batches.push(delivered.slice(from, from + size));
    if (choose(5) === 0) batches.push(delivered.slice(Math.max(0, from - 3), from + size)); // a whole batch again, and some before it
    from += size;
  }
  return batches;
}

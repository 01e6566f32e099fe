import { InvalidInputError } from './errors.js';
import { shardKeys, shardNumbers, shardOf, type ShardKeys, type TenantRef } from './keys.js';
import type { Session, UnreadableSession } from './model/session.js';
import { list, LISTED_PER_CALL, type Listed } from './scripts/list.script.js';
import { pageByStart, type StartPosition } from './scripts/page-by-start.script.js';
import { keysOf, type ShardContext, type StoreClient } from './scripts/script.js';
import { scanned, smallestAfter, type Index, type ReadOnce } from './scans.js';

export interface SessionFilter {
  user?: string | undefined;
  node?: string | undefined;
  /** Whether sessions of this node (null: of none) are wanted; no index answers it. */
  isOnNode?: ((node: string | null) => boolean) | undefined;
  /** `kind:name` */
  group?: string | undefined;
}

export interface SessionPage {
  sessions: Session[];
  /** Those of the page whose record cannot be decoded; a filter that the index does not answer passes them over. */
  unreadable: UnreadableSession[];
  /** Opaque; null when there is nothing more. */
  nextCursor: string | null;
}

/** A filter on top of an index may find little: one page reads so many pieces of the index, then its caller goes on with the cursor. */
const PIECES_PER_PAGE = 50;
/** A node that has begun more runs than these, and holds sessions of all of them, is a mistake. */
const RUNS_READ = 1_000;

/** Where a page ended: in which shard, in which run of a node where one is asked for, and after whom. */
interface Position {
  shard: number;
  run: number;
  after: StartPosition | string | null;
}

/** Live sessions page by page. Each command has a deadline of its own. */
export class SessionPages {
  constructor(
    private readonly client: StoreClient,
    private readonly read: ReadOnce,
  ) {}

  /**
   * A page of live sessions: at most `limit`; fewer, even none, where a filter finds little. Each session that lives from the first page to
   * the last is in exactly one. Sessions of a user or a group come in the order of their start, others in that of their ids. Throws
   * InvalidInputError for a cursor that no page gave.
   */
  async page(tenant: TenantRef, filter: SessionFilter, cursor: string | null, limit: number): Promise<SessionPage> {
    const shards = filter.user === undefined ? shardNumbers(tenant) : [shardOf(tenant, filter.user)];
    let position: Position | null =
      cursor === null ? { shard: shards[0] ?? 0, run: 0, after: null } : readCursor(cursor);
    if (!shards.includes(position.shard)) throw badCursor();
    const sessions: Session[] = [];
    const unreadable: UnreadableSession[] = [];
    const room = () => limit - sessions.length - unreadable.length;
    const { user, node, group, isOnNode } = filter;
    const isAnswered =
      [user, node, group].filter((one) => one !== undefined).length <= 1 &&
      (isOnNode === undefined || node !== undefined);
    for (let pieces = 0; position !== null && room() > 0 && pieces < PIECES_PER_PAGE; pieces++) {
      const piece: Piece = await this.piece(tenant, filter, position, room());
      sessions.push(...piece.sessions.filter((session) => matches(session, filter)));
      if (isAnswered) unreadable.push(...piece.unreadable.map((one) => ({ ...one, user: user ?? null })));
      position = piece.next ?? nextShard(position, shards);
    }
    return { sessions, unreadable, nextCursor: position === null ? null : writeCursor(position) };
  }

  /** Every live session, piece by piece, each at least once: far cheaper than pages for who wants them all. */
  async *all(tenant: TenantRef): AsyncGenerator<Session[], void> {
    for (const shard of shardNumbers(tenant)) {
      const { deadlines } = shardKeys(tenant, shard);
      for await (const ids of scanned(this.client, { key: deadlines, type: 'zset' }, this.read)) {
        yield (await this.records(this.context(tenant, shard), ids)).sessions;
      }
    }
  }

  /** The sessions with these ids that are live still. */
  async records(context: ShardContext, ids: readonly string[]): Promise<Listed> {
    const listed: Listed = { sessions: [], unreadable: [] };
    for (let from = 0; from < ids.length; from += LISTED_PER_CALL) {
      const some = ids.slice(from, from + LISTED_PER_CALL);
      const { sessions, unreadable } = await this.read(async () => await list(context, some));
      listed.sessions.push(...sessions);
      listed.unreadable.push(...unreadable);
    }
    return listed;
  }

  context(tenant: TenantRef, shard: number): ShardContext {
    return { client: this.client, tenant: tenant.name, shards: tenant.shards, shard };
  }

  private async piece(tenant: TenantRef, filter: SessionFilter, at: Position, limit: number): Promise<Piece> {
    const context = this.context(tenant, at.shard);
    const [scope, name] = filter.user === undefined ? ['group' as const, filter.group] : ['user' as const, filter.user];
    if (name !== undefined) return await this.pieceByStart(context, { scope, name }, at, limit);
    if (filter.node !== undefined) return await this.pieceOfNode(context, filter.node, at, limit);
    const { deadlines } = keysOf(context);
    return await this.pieceById(context, { key: deadlines, type: 'zset' }, at, limit);
  }

  /** Of one run of a node after the other. */
  private async pieceOfNode(context: ShardContext, node: string, at: Position, limit: number): Promise<Piece> {
    const keys = keysOf(context);
    const runs = (await this.runsOf(keys, node)).filter((run) => run >= at.run);
    const [run, following] = runs;
    if (run === undefined) return { sessions: [], unreadable: [], next: null };
    const position = run === at.run ? at : { ...at, run, after: null };
    const piece = await this.pieceById(context, { key: keys.nodeSessions(node, run), type: 'set' }, position, limit);
    if (piece.next !== null || following === undefined) return piece;
    return { ...piece, next: { ...at, run: following, after: null } };
  }

  /** The runs of a node that may hold sessions in a shard, the smallest first: without an epoch, noted, present, and those that are about to end. */
  private async runsOf(keys: ShardKeys, node: string): Promise<number[]> {
    const { client, read } = this;
    const [present, noted, departed] = await Promise.all([
      read(async () => await client.hget(keys.nodes, node)),
      read(async () => await client.zrange(keys.nodeRuns(node), '0', `${RUNS_READ - 1}`)),
      read(async () => await client.zrange(keys.departed, '0', `${RUNS_READ - 1}`)),
    ]);
    const ending = departed.flatMap((run) => {
      const [, of, epoch] = /^[a-z_]+(?:=[^:]*)?:(.*):(\d+)$/.exec(run) ?? [];
      return of === node && epoch !== undefined ? [epoch] : [];
    });
    const epochs = ['0', ...noted, ...ending, ...(present === null ? [] : present.split(' ').slice(0, 1))].map(Number);
    return [...new Set(epochs)].filter(isNumber).toSorted((a, b) => a - b);
  }

  private async pieceById(context: ShardContext, index: Index, at: Position, limit: number): Promise<Piece> {
    if (at.after !== null && typeof at.after !== 'string') throw badCursor();
    const { ids, more } = await smallestAfter(this.client, index, at.after, limit, this.read);
    return { ...(await this.records(context, ids)), next: more ? { ...at, after: ids.at(-1) ?? null } : null };
  }

  private async pieceByStart(
    context: ShardContext,
    of: { scope: 'user' | 'group'; name: string },
    at: Position,
    limit: number,
  ): Promise<Piece> {
    if (typeof at.after === 'string') throw badCursor();
    const wanted = { ...of, after: at.after, limit: Math.min(limit, LISTED_PER_CALL) };
    const positions = await this.read(async () => await pageByStart(context, wanted));
    const listed = await this.records(
      context,
      positions.map(({ id }) => id),
    );
    const last = positions.at(-1);
    return { ...listed, next: last === undefined ? null : { ...at, after: last } };
  }
}

interface Piece extends Listed {
  /** Null at the end of the shard. */
  next: Position | null;
}

function matches(session: Session, filter: SessionFilter): boolean {
  return (
    (filter.user === undefined || session.user === filter.user) &&
    (filter.node === undefined || session.node === filter.node) &&
    (filter.group === undefined || session.groups.includes(filter.group)) &&
    (filter.isOnNode === undefined || filter.isOnNode(session.node))
  );
}

function nextShard({ shard }: Position, shards: readonly number[]): Position | null {
  const next = shards[shards.indexOf(shard) + 1];
  return next === undefined ? null : { shard: next, run: 0, after: null };
}

function badCursor(): InvalidInputError {
  return new InvalidInputError(
    'cursor',
    'This cursor is not one that a page of this list gave; start without a cursor',
  );
}

function writeCursor({ shard, run, after }: Position): string {
  const position = after === null || typeof after === 'string' ? after : [after.startedAtMs, after.id];
  return Buffer.from(JSON.stringify([shard, run, position])).toString('base64url');
}

function readCursor(text: string): Position {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw badCursor();
  }
  if (!Array.isArray(parsed) || parsed.length !== 3) throw badCursor();
  const [shard, run, position] = parsed as [unknown, unknown, unknown];
  if (!isNumber(shard) || !isNumber(run)) throw badCursor();
  if (position === null || typeof position === 'string') return { shard, run, after: position };
  if (!Array.isArray(position) || position.length !== 2) throw badCursor();
  const [startedAtMs, id] = position as [unknown, unknown];
  if (!isNumber(startedAtMs) || typeof id !== 'string' || id === '') throw badCursor();
  return { shard, run, after: { startedAtMs, id } };
}

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

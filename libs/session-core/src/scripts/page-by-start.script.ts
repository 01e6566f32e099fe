import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('page-by-start');

/** Where a page of sessions in the order of their start ended. */
export interface StartPosition {
  startedAtMs: number;
  id: string;
}

export interface StartPage {
  scope: 'user' | 'group';
  name: string;
  /** Null for the first page. */
  after: StartPosition | null;
  limit: number;
}

/** The next sessions of a user or group in the order of start and id. */
export async function pageByStart(
  context: ShardContext,
  { scope, name, after, limit }: StartPage,
): Promise<StartPosition[]> {
  const reply = new ReplyReader(
    await script.inShard(context, [scope, name, after?.startedAtMs ?? '', after?.id ?? '', limit]),
  );
  const positions: StartPosition[] = [];
  while (!reply.done()) positions.push({ id: reply.text(), startedAtMs: reply.integer() });
  return positions;
}

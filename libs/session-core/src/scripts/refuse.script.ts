import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('refuse');

/** A refusal that a server decided by itself, by a rule of its own. */
export interface ServerRefusal {
  /** The same for every time that it is told. */
  id: string;
  sessionId: string;
  user: string;
  rule: string;
  decision: string;
}

/** Writes a refusal of a server beside those of the limits. Told twice it stands there twice, with the same id. */
export async function refuse(context: ShardContext, refusal: ServerRefusal): Promise<void> {
  const { id, sessionId, user, rule, decision } = refusal;
  await script.inShard(context, [id, sessionId, user, rule, decision]);
}

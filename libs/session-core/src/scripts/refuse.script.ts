import type { SessionFacts } from '../model/session.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('refuse');

/** Where the refused session came from and where it wanted to go; absent where the server did not say. */
const FACTS = ['sourceIp', 'sourcePort', 'destination', 'protocol'] as const;
type RefusedFacts = { [Name in (typeof FACTS)[number]]?: SessionFacts[Name] | null | undefined };

/** A refusal that a server decided by itself, by a rule of its own. */
export interface ServerRefusal extends RefusedFacts {
  /** The same each time that it is reported. */
  id: string;
  sessionId: string;
  user: string;
  rule: string;
  decision: string;
}

/** Writes a refusal of a server beside those of the limits. Reported twice it stands there twice, with the same id. */
export async function refuse(context: ShardContext, refusal: ServerRefusal): Promise<void> {
  const { id, sessionId, user, rule, decision } = refusal;
  const facts = FACTS.flatMap((name) => (refusal[name] == null ? [] : [name, refusal[name]]));
  await script.inShard(context, [id, sessionId, user, rule, decision, ...facts]);
}

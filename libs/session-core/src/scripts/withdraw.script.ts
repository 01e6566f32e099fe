import type { AdmissionToken } from '../model/decision.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('withdraw');

export interface Withdrawal {
  sessionId: string;
  attempt: number;
  token: AdmissionToken;
  /** For how long an admission that is still on its way stays refused, milliseconds. */
  rememberedMs: number;
  /** What rates know its source by, if they do; see `rateAddress`. */
  address?: string;
}

/** `kept`: another call of the same session owns the place now. `none`: there was nothing; should it come, it is refused. */
export type WithdrawOutcome = 'withdrawn' | 'kept' | 'none';

/** Takes back an admission whose answer never reached its caller. Repeatable. */
export async function withdraw(context: ShardContext, withdrawal: Withdrawal): Promise<WithdrawOutcome> {
  const { sessionId, attempt, token, rememberedMs, address = '' } = withdrawal;
  const reply = new ReplyReader(await script.inShard(context, [sessionId, attempt, token, rememberedMs, address]));
  const outcome = reply.text();
  return outcome === 'withdrawn' || outcome === 'kept' || outcome === 'none' ? outcome : reply.fail();
}

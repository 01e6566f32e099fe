import { CommandsStore } from '../src/commands-store.js';
import type { Command } from '../src/model/command.js';
import type { Books } from './fixture.js';
import { tenant } from './fixture.js';

export const NODE = 'b2bua-1';

export function commandsOf({ redis, clock }: Books): CommandsStore {
  return new CommandsStore({ client: redis, deadlineMs: 60_000, tombstoneMs: 60_000, clockMs: () => clock.nowMs });
}

/** All that a node has not acknowledged, in the order in which it is read. */
export async function waiting(store: CommandsStore, node: string = NODE, of = tenant): Promise<Command[]> {
  const all: Command[] = [];
  for await (const page of store.unacknowledged(of, node)) all.push(...page);
  return all;
}

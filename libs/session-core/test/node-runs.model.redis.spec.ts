import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { useOpenBooks } from './fixture.js';
import { runStep, RunsWorld, type RunStep } from './node-runs.model.js';

/** A lost name comes back by a session of one shard; then another shard, which has not heard of it, is asked without an epoch. */
const COMES_BACK_BY_A_SESSION: RunStep[] = [
  { do: 'beat', node: 1, run: 1, user: 'alice', burst: false },
  { do: 'time', seconds: 15, alive: 0 },
  { do: 'admit', node: 1, run: 2, user: 'alice', burst: true },
  ...(['alice', 'bob', 'carol', 'dave', 'erin'] as const).map((user) => ({
    do: 'admit' as const,
    node: 1,
    run: 0,
    user,
    burst: true,
  })),
  { do: 'beat', node: 0, run: 1, user: 'alice', burst: false },
  { do: 'admit', node: 1, run: 0, user: 'erin', burst: false },
];

describe('nothing of a name that has beaten outlives the loss of its last speaker by more than lease and sweep', () => {
  const books = useOpenBooks();

  it.each([
    [1, 80],
    [4, 60],
  ])(
    'and nothing ends before, whatever admits, transfers, lists, beats, falls silent, restarts, drains, leaves and is forgotten, over %d shards',
    async (shards, numRuns) => {
      await fc.assert(
        fc.asyncProperty(fc.array(runStep, { minLength: 1, maxLength: 20, size: 'max' }), async (steps) => {
          const opened = await books.open();
          const tenant = { name: 'default', shards };
          await opened.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
          const world = new RunsWorld(opened, tenant);
          for (const step of steps) await world.run(step);
          await world.settle();
        }),
        { numRuns, examples: [[COMES_BACK_BY_A_SESSION]] },
      );
    },
    300_000,
  );
});

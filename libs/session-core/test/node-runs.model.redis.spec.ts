import { afterAll, beforeAll, describe, it } from '@jest/globals';
import fc from 'fast-check';
import { startBooks } from './fixture.js';
import { runStep, RunsWorld } from './node-runs.model.js';

describe('nothing of a name that has beaten outlives the loss of its last speaker by more than lease and sweep', () => {
  let books: Awaited<ReturnType<typeof startBooks>>;

  beforeAll(async () => {
    books = await startBooks();
  });
  afterAll(async () => {
    await books.server.stop();
  });

  it.each([
    [1, 80],
    [4, 60],
  ])(
    'and nothing ends before, whatever admits, transfers, lists, beats, falls silent, restarts and is forgotten, over %d shards',
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
        { numRuns },
      );
    },
    300_000,
  );
});

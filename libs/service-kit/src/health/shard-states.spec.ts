import { describe, expect, it } from '@jest/globals';

import { ShardStates, type ShardFailure } from './shard-states.js';

const SECOND = 1_000;
const failure = (shard: number, code: ShardFailure['code'] = 'no-answer'): ShardFailure => ({
  tenant: 'acme',
  shard,
  cause: `cause of ${shard}`,
  code,
});

function twoShards(): ShardStates {
  const states = new ShardStates(2);
  states.decided('acme', 0, 0);
  states.decided('acme', 1, 0);
  return states;
}

describe('readiness, by the shards that can be decided', () => {
  it('is failed before the first decision, with the causes that are known', () => {
    const states = new ShardStates(2);
    expect(states.result(0)).toMatchObject({ status: 'failed', message: 'Nothing could be decided yet' });
    states.failed(failure(1, 'NOAUTH'), 0);
    expect(states.result(1)).toMatchObject({ status: 'failed', failing: [{ tenant: 'acme', shard: 1 }] });
  });

  it('is ok from the first decision on, also while others were not asked yet', () => {
    const states = new ShardStates(2);
    states.decided('acme', 0, 0);
    expect(states.result(0)).toEqual({ status: 'ok' });
  });

  it('is degraded, and names the shard, for as long as another one can be decided', () => {
    const states = twoShards();
    states.failed(failure(1), 0);
    expect(states.result(3_600 * SECOND)).toEqual({
      status: 'degraded',
      failing_shards: 1,
      failing: [{ tenant: 'acme', shard: 1, cause: 'cause of 1' }],
    });
  });

  it('is failed when none could be decided for five seconds, counted from the last that failed', () => {
    const states = twoShards();
    states.failed(failure(1), 0);
    states.failed(failure(0), 10 * SECOND);
    expect(states.result(15 * SECOND - 1)).toMatchObject({ status: 'degraded', failing_shards: 2 });
    states.failed(failure(1), 14 * SECOND);
    expect(states.result(15 * SECOND)).toMatchObject({ status: 'failed', failing_shards: 2 });
    expect(states.decided('acme', 0, 16 * SECOND)).toEqual({ kind: 'ended', afterMs: 6 * SECOND });
    expect(states.result(16 * SECOND)).toMatchObject({ status: 'degraded', failing_shards: 1 });
  });

  it('keeps a key of a foreign type in mind for five seconds, whatever else is decided', () => {
    const states = twoShards();
    expect(states.failed(failure(0, 'WRONGTYPE'), 0)).toEqual({ kind: 'began' });
    expect(states.decided('acme', 0, 4 * SECOND)).toEqual({ kind: 'none' });
    expect(states.failed(failure(0, 'WRONGTYPE'), 4 * SECOND)).toEqual({ kind: 'none' });
    expect(states.decided('acme', 0, 8 * SECOND)).toEqual({ kind: 'none' });
    expect(states.decided('acme', 0, 9 * SECOND)).toEqual({ kind: 'ended', afterMs: 9 * SECOND });
  });

  it('takes a cause that says more for news, and one that says less not', () => {
    const states = twoShards();
    expect(states.failed(failure(0, 'closed'), 0)).toEqual({ kind: 'began' });
    expect(states.failed({ ...failure(0, 'NOAUTH'), cause: 'no password' }, 1)).toEqual({ kind: 'began' });
    expect(states.failed(failure(0, 'closed'), 2)).toEqual({ kind: 'none' });
    expect(states.result(3)).toMatchObject({ failing: [{ cause: 'no password' }] });
  });

  it('names twenty shards and counts all', () => {
    const states = new ShardStates(100);
    for (let shard = 0; shard < 100; shard += 1) states.failed(failure(shard), 0);
    expect(states.result(0)).toMatchObject({ failing: { length: 20 }, failing_shards: 100 });
  });
});

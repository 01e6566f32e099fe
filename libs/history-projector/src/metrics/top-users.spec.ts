import { describe, expect, it } from '@jest/globals';

import { TopUsers } from './top-users.js';

const names = (users: TopUsers) => users.top().map(([user]) => user);

describe('the users with the most', () => {
  it('are shown with all that they have had, also before they were among them', () => {
    const users = new TopUsers(2);
    users.add('alice', 1, 2);
    users.add('bob', 10, 20);
    users.add('carol', 5, 0);
    expect(users.top()).toEqual([
      ['bob', [10, 20]],
      ['carol', [5, 0]],
    ]);
    users.add('alice', 90, 0);
    expect(users.top()).toEqual([
      ['bob', [10, 20]],
      ['alice', [91, 2]],
    ]);
  });

  it('are at most so many, and none where none are wanted', () => {
    const [some, none] = [new TopUsers(3), new TopUsers(0)];
    for (let n = 0; n < 100; n += 1) {
      some.add(`u${n}`, 1);
      none.add(`u${n}`, 1);
    }
    expect(some.top()).toHaveLength(3);
    expect(none.top()).toEqual([]);
  });

  it('are not those who have had nothing', () => {
    const users = new TopUsers(2);
    users.add('alice', 0, 0);
    expect(users.top()).toEqual([]);
  });

  it('stay the same while two are about equal', () => {
    const users = new TopUsers(1);
    users.add('alice', 100);
    expect(names(users)).toEqual(['alice']);
    const seen = new Set<string>();
    for (let n = 0; n < 200; n += 1) {
      users.add(n % 2 === 0 ? 'bob' : 'alice', n < 100 ? 2 : 1);
      seen.add(names(users).join());
    }
    expect([...seen]).toEqual(['alice']);
    users.add('bob', 400);
    expect(names(users)).toEqual(['bob']);
  });

  it('are found among any number of others, of whom no more than so many are remembered', () => {
    const users = new TopUsers(2, 100);
    for (let n = 0; n < 5_000; n += 1) {
      users.add(`u${n}`, 1);
      if (n % 10 === 0) users.add('alice', 1);
      if (n % 20 === 0) users.add('bob', 1);
      if (n % 50 === 0) users.top();
    }
    expect(users.top()).toEqual([
      ['alice', [500]],
      ['bob', [250]],
    ]);
    expect((users as unknown as { totals: Map<string, number[]> }).totals.size).toBeLessThanOrEqual(101);
  });
});

import { expect, it } from '@jest/globals';

import type { Listed, RekeyReport } from '#session-core';

import { reportLines } from './rekey-report.js';

const listed = (...first: string[]): Listed => ({ count: first.length, first, add() {} });

const NOTHING: RekeyReport = {
  sessions: 0,
  renamed: 0,
  moved: 0,
  excess: 0,
  limits: [],
  withoutDomain: listed(),
  ended: listed(),
  unreadable: listed(),
  splits: listed(),
  overshoot: listed(),
  limitsWithoutDomain: listed(),
};

it('says which users are several now, as it says which limits became those of one', () => {
  const limits = [
    {
      user: 'bob',
      limits: [
        { user: 'Bob', max: 5 },
        { user: 'bob', max: 3 },
      ],
      holds: 3,
    },
  ];
  const splits = listed('ann (ann, ann@a.example)');
  expect(reportLines(Object.assign(NOTHING, { sessions: 4, renamed: 2, splits, limits }))).toEqual([
    '4 live sessions, of which 2 have another user now',
    '1 users are several now, each with the limit that it has under its own name: ann (ann, ann@a.example)',
    'limits of bob were several (Bob: 5, bob: 3): 3 holds',
  ]);
});

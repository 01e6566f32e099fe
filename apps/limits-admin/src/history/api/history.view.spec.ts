import { describe, expect, it } from '@jest/globals';

import type { Violation } from '#session-history';

import { violationsView } from './history.view.js';

const USER = { scope: 'user', key: 'alice', max: 1, active: 1 };
const IP = { scope: 'ip', key: '192.0.2.1', max: 20, active: 20 };
const TOTAL = { scope: 'total', key: '*', max: 9, active: 9 };

function shown(limits: Violation['limits']) {
  const violation = { atMs: 0, user: 'alice', sessionId: 'c1', count: 1, limits };
  const page = { total: 1, page: 1, pageSize: 50, totalPages: 1, nextCursor: null };
  return violationsView({ violations: [violation], ...page }).violations[0];
}

describe('a violation', () => {
  it('does what its limit says is to be done, and refuses where that says nothing', () => {
    expect(shown([{ ...USER, action: 'terminate_oldest' }])).toMatchObject({
      action: 'terminate_oldest',
    });
    expect(shown([USER])).toMatchObject({ action: 'reject' });
  });

  it('is named by the first of user, group, ip and total, in whatever order they come', () => {
    expect(shown([TOTAL, IP])).toMatchObject({ ...IP, limits: [TOTAL, IP] });
    expect(shown([TOTAL, IP, USER])).toMatchObject(USER);
    expect(shown([USER])).not.toHaveProperty('limits');
  });

  it('of no limit that is known is shown all the same', () => {
    expect(shown([])).toMatchObject({ scope: null, key: null, max: null, active: null, action: 'reject' });
    expect(shown([{ ...USER, scope: 'later' }])).toMatchObject({ scope: 'later' });
  });
});

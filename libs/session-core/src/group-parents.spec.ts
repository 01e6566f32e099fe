import { describe, expect, it } from '@jest/globals';
import { GroupParents } from './group-parents.js';

const named = (groups: string[]) => ({ groups, priority: 'normal' as const });

describe('what a process knows of groups within groups', () => {
  it('is learnt anew after 100,000 other links: a session is never asked to regroup for ever', () => {
    const parents = new GroupParents();
    const learn = (group: string, parent: string) => parents.learn('default', [{ group, parent: '' }], [parent]);
    for (let i = 0; i < 100_000; i++) learn(`trunk:${i}`, 'carrier:acme');
    learn('trunk:new', 'carrier:acme');
    learn('trunk:99999', 'carrier:zeta');
    expect(parents.expand('default', named(['trunk:new']))).toEqual([
      { group: 'trunk:new', parent: 'carrier:acme' },
      { group: 'carrier:acme', parent: '' },
    ]);
    expect(parents.expand('default', named(['trunk:99999']))[0]).toEqual({
      group: 'trunk:99999',
      parent: 'carrier:zeta',
    });
  });

  it('is of one tenant alone', () => {
    const parents = new GroupParents();
    parents.learn('a', [{ group: 'trunk:west', parent: '' }], ['carrier:acme']);
    expect(parents.expand('b', named(['trunk:west']))).toEqual([{ group: 'trunk:west', parent: '' }]);
  });
});

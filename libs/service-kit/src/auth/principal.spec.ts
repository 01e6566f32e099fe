import { describe, expect, it } from '@jest/globals';

import { maySpeakFor, type Principal } from './principal.js';

const principal = (nodes: string[] | null): Principal => ({
  id: 'k',
  role: 'node',
  tenant: 'default',
  nodes,
  emergency: false,
});

describe('the nodes that a key may speak for', () => {
  it.each([
    [null, 'anything', true],
    [[], 'b2bua-1', false],
    [['b2bua-1'], 'b2bua-1', true],
    [['b2bua-1'], 'b2bua-10', false],
    [['b2bua-*'], 'b2bua-10', true],
    [['b2bua-*'], 'xb2bua-1', false],
    [['*.east', 'core'], 'a.east', true],
    [['*'], '', true],
    [['a*a'], 'a', false],
    [['a*b*c'], 'a-b-b-c', true],
    [['a*b*c'], 'a-c', false],
    [['a.b'], 'axb', false],
  ])('%j: %s is %s', (nodes, node, expected) => {
    expect(maySpeakFor(principal(nodes), node)).toBe(expected);
  });

  it('takes time that does not explode with the stars', () => {
    expect(maySpeakFor(principal(['*a'.repeat(60) + 'x']), 'a'.repeat(128))).toBe(false);
  });
});

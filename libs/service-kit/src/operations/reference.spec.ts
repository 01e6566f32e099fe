import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import type { Operation } from './operations.js';
import { fillReference } from './reference.js';

const beat = z.object({ leaseSeconds: z.number(), warnings: z.array(z.string()).optional() }).meta({ id: 'RefBeat' });
const wide = z
  .object(Object.fromEntries('abcdefghi'.split('').map((name) => [name, z.string()])))
  .meta({ id: 'RefWide' });

const operation = (over: Partial<Operation>): Operation => ({
  handler: 'NodesController.beat',
  method: 'POST',
  path: '/v1/nodes/{node}/heartbeat',
  tag: 'nodes',
  right: 'node.speak',
  summary: 'Takes a beat',
  answers: { 200: beat },
  problems: ['stale-epoch'],
  ...over,
});

const page = (regions: string) => `# Page\n\nBy hand.\n\n${regions}\nBy hand, too.\n`;
const region = (opening: string) => `<!-- ${opening} -->\nold\n<!-- end -->\n`;

describe('the tables of docs/api', () => {
  it('are made from the declarations: method, path, what is taken and answered, problems, right and roles', () => {
    const text = fillReference(page(region('operations: nodes')), [
      operation({ query: z.object({ user: z.string().optional() }), body: z.object({ epoch: z.number() }) }),
    ]);
    expect(text).toContain(
      '| `POST /v1/nodes/{node}/heartbeat` | Takes a beat | `?user` `{epoch}` | 200 `{leaseSeconds, warnings?}` | `stale-epoch` | `node.speak`: node, admin |\n',
    );
    expect(text).toMatch(/^# Page\n\nBy hand\.\n\n<!-- operations: nodes -->\n[^]*\n<!-- end -->\n\nBy hand, too\.\n$/);
    expect(text).not.toContain('old');
  });

  it('show large objects by name, what is no JSON by its type, and statuses with one answer together', () => {
    const text = fillReference(page(region('operations: nodes')), [
      operation({ answers: { 200: wide, 201: wide }, problems: [] }),
      operation({ answers: { 200: { media: ['text/csv'], says: '' } }, right: 'open' }),
      operation({ answers: { 204: null } }),
    ]);
    expect(text).toContain('| 200, 201 `RefWide` |  |');
    expect(text).toContain('| 200 `text/csv` | `stale-epoch` | open to everyone |');
    expect(text).toContain('| 204 | `stale-epoch` |');
  });

  it('have of the problems those that the calls of the page may meet', () => {
    const text = fillReference(page(region('operations: nodes') + region('problems')), [operation({})]);
    expect(text).toMatch(/\| 409 \| `stale-epoch` \| .+ \|\n/);
    expect(text).toMatch(/\| 408 \| `request-timeout` \| .+ \|\n/);
    expect(text).not.toContain('limits-conflict');
  });

  it('stay as they are when they are made again', () => {
    const once = fillReference(page(region('operations: nodes') + region('rights')), [operation({})]);
    expect(fillReference(once, [operation({})])).toBe(once);
  });

  it.each([
    { what: 'a heading that the page does not show', regions: '', message: 'The page does not show nodes' },
    { what: 'a heading without a call', regions: region('operations: nodes, nothing'), message: "'nothing'" },
  ])('are refused with $what', ({ regions, message }) => {
    expect(() => fillReference(page(regions), [operation({})])).toThrow(message);
  });
});

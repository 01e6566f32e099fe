import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { RIGHTS, rolesWith, rightsTable, type Right } from './rights.js';

describe('the table of rights', () => {
  it('is the one that docs/api/operators.md shows', () => {
    const committed = readFileSync(join(import.meta.dirname, '../../../../docs/api/operators.md'), 'utf8');
    expect(committed).toContain(`<!-- rights -->\n<!-- prettier-ignore -->\n${rightsTable()}\n`);
  });

  it('gives admins everything, operators whatever viewers have, and viewers nothing that changes anything', () => {
    for (const right of Object.keys(RIGHTS) as Right[]) {
      const roles = rolesWith(right);
      expect([right, roles.includes('admin')]).toEqual([right, true]);
      if (roles.includes('viewer')) expect([right, roles.includes('operator')]).toEqual([right, true]);
      if (roles.includes('viewer')) expect(right).toMatch(/\.read$/);
    }
  });
});

import { describe, expect, it } from '@jest/globals';
import { limitFields } from './limit-fields.js';
import { effectiveLimits, type LimitsLayer } from './limits-document.js';

function fieldsOf(file: LimitsLayer): Map<string, string | number> {
  return new Map(limitFields(effectiveLimits({ version: 1, file, api: {} })));
}

const origin = { by: 'ops', atMs: 0, reason: null };

describe('the limits as a shard keeps them', () => {
  const observedClass: LimitsLayer = { classes: { gold: 1 }, userClasses: { alice: 'gold' } };

  it('give a user of an observed class its details, also where somebody has put the user there', () => {
    const details = { 'class:gold': { observe: true }, 'user:alice': { origin } };
    const fields = fieldsOf({ ...observedClass, details });
    expect(fields.get('user:alice')).toBe('?');
    expect(JSON.parse(String(fields.get('more:user:alice')))).toEqual({ observe: true, max: 1 });
  });

  it('keep what is said of the user beside it', () => {
    const temporary = { max: 7, untilMs: 5 };
    const fields = fieldsOf({
      ...observedClass,
      details: { 'class:gold': { observe: true }, 'user:alice': { temporary } },
    });
    expect(JSON.parse(String(fields.get('more:user:alice')))).toEqual({ observe: true, max: 1, temporary });
  });

  it('leave a user with a limit of their own alone', () => {
    const fields = fieldsOf({ ...observedClass, users: { alice: 3 }, details: { 'class:gold': { observe: true } } });
    expect(fields.get('user:alice')).toBe(3);
  });

  it('keep reasons and names of operators out of the hash', () => {
    const temporary = { max: 7, untilMs: 5, origin: { ...origin, reason: 'secret' } };
    expect([...fieldsOf({ details: { total: { temporary, origin } } }).values()].join()).not.toMatch(/ops|secret/);
  });
});

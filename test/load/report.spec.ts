import { describe, expect, it } from '@jest/globals';

import type { Measurement } from './measurement.js';
import { asJson, asTable } from './report.js';

const ratio: Measurement = {
  name: 'core.redis-time',
  value: 17.123456,
  unit: 'µs',
  baseline: 3.1,
  ratio: 5.5237,
  target: { of: 'ratio', is: 'at most', bound: 6 },
};
const value: Measurement = {
  name: 'core.memory',
  value: 812.4,
  unit: 'bytes',
  baseline: null,
  ratio: null,
  target: { of: 'value', is: 'at most', bound: 700 },
};

describe('report', () => {
  it('prints one flat object for a line of JSON, rounded to what the figure can say', () => {
    expect(JSON.parse(asJson(ratio))).toEqual({
      name: 'core.redis-time',
      value: 17.12,
      unit: 'µs',
      baseline: 3.1,
      ratio: 5.524,
    });
    expect(JSON.parse(asJson(value))).toMatchObject({ baseline: null, ratio: null });
  });

  it('states each target and whether it is met', () => {
    const [, first, second] = asTable([ratio, value]).split('\n');
    expect(first).toMatch(/5\.524 {2}ratio at most 6 +met$/);
    expect(second).toMatch(/812\.4 {2}bytes +- +- {2}value at most 700 {2}NOT MET$/);
  });

  it('counts a bound itself as met where it says at least, not where it says above', () => {
    const at = (is: 'at least' | 'above'): Measurement => ({
      ...ratio,
      ratio: 5,
      target: { of: 'ratio', is, bound: 5 },
    });
    expect(asTable([at('at least')])).toMatch(/ met$/);
    expect(asTable([at('above')])).toMatch(/NOT MET$/);
  });
});

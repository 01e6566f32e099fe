import { afterEach, expect, it, jest } from '@jest/globals';

import { loadConfig } from '#config';

import { createLogger } from '../logging/logger.js';
import { Metrics } from './metrics.service.js';

afterEach(() => {
  jest.restoreAllMocks();
});

it('a metric that cannot be read takes no other along, is counted, warned of once a minute, and logged when it can be read', async () => {
  let nowMs = 1_000_000;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const lines: { level: string; metric: string; message: string }[] = [];
  const config = loadConfig({ env: {}, cwd: '/' });
  const write = (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]);
  const metrics = new Metrics(createLogger(config, 'test', { write }));
  let isBroken = true;
  metrics.gauge('well', 'Can be read.', () => 7);
  metrics.gauge('broken', 'Cannot be read.', () => {
    if (isBroken) throw new TypeError('no');
    return 1;
  });
  const scrape = async () => {
    const text = await metrics.registry.metrics();
    return text.split('\n').filter((line) => /^(well|broken|berth_)/.test(line));
  };

  await scrape();
  nowMs += 59_999;
  expect(await scrape()).toEqual([
    expect.stringMatching(/^berth_metric_read_failures_total\{metric="broken"\} [12]$/),
    'well 7',
  ]);
  expect(lines).toMatchObject([{ level: 'warn', metric: 'broken' }]);
  nowMs += 1;
  await scrape();
  expect(lines).toHaveLength(2);
  isBroken = false;
  expect(await scrape()).toEqual(['berth_metric_read_failures_total{metric="broken"} 3', 'well 7', 'broken 1']);
  await scrape();
  expect(lines.slice(2)).toMatchObject([{ level: 'info', metric: 'broken', message: 'Metric can be read again' }]);
});

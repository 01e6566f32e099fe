import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { Logger } from '../logging/logger.js';
import { ShardLog } from './shard-log.js';

let lines: [string, Record<string, unknown>][];
let log: ShardLog;

beforeEach(() => {
  jest.useFakeTimers();
  lines = [];
  const warn = (fields: Record<string, unknown>, message: string) => lines.push([message, fields]);
  log = new ShardLog({ warn } as unknown as Logger);
});
afterEach(() => {
  log.stop();
  jest.useRealTimers();
});

const messages = () => lines.map(([message]) => message);

describe('the log of shards that cannot be decided', () => {
  it('has a line when decisions begin to fail and one when they work again', () => {
    log.failing('acme/0', 'a cause');
    jest.advanceTimersByTime(5_000);
    log.working('acme/0', 5_000);
    expect(lines).toEqual([
      ['Decisions fail', { shards: ['acme/0'], count: 1, cause: 'a cause' }],
      ['Decisions work again', { shards: ['acme/0'], count: 1, after_ms: 5_000 }],
    ]);
  });

  it('has at most one line a second, which names all that came meanwhile', () => {
    for (let shard = 0; shard < 30; shard += 1) log.failing(`acme/${shard}`, 'a cause');
    expect(lines).toHaveLength(1);
    jest.advanceTimersByTime(1_000);
    expect(lines).toHaveLength(2);
    expect(lines[1]?.[1]).toMatchObject({ count: 29, shards: { length: 20 } });
    for (let turn = 0; turn < 100; turn += 1) {
      log.working('acme/0', 10);
      log.failing('acme/0', 'a cause');
      jest.advanceTimersByTime(100);
    }
    expect(lines.length).toBeLessThanOrEqual(13);
  });

  it('has both lines of an outage that was shorter than a second', () => {
    log.failing('acme/0', 'a cause');
    log.failing('acme/1', 'a cause');
    log.working('acme/0', 1);
    log.working('acme/1', 1);
    jest.advanceTimersByTime(3_000);
    expect(messages()).toEqual(['Decisions fail', 'Decisions fail', 'Decisions work again']);
    expect(lines[2]?.[1]).toMatchObject({ count: 2 });
  });

  it('has a line for each cause', () => {
    log.failing('acme/0', 'a cause');
    log.failing('acme/1', 'a cause');
    log.failing('acme/2', 'another cause');
    jest.advanceTimersByTime(3_000);
    expect(lines.map(([, { cause }]) => cause)).toEqual(['a cause', 'a cause', 'another cause']);
  });
});

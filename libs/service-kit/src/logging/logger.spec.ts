import { describe, expect, it } from '@jest/globals';

import { createLogger, withoutCredentials } from './logger.js';
import { NestLogger } from './nest-logger.js';

const HASHED = { level: 'trace', hashUsers: true, hashKey: 'sixteen characters' } as const;
const PLAIN = { level: 'trace', hashUsers: false, hashKey: null } as const;

type Line = Record<string, unknown>;

function logTo(lines: Line[], logging: Parameters<typeof createLogger>[0]['logging']) {
  return createLogger({ logging }, 'test', { write: (line) => void lines.push(JSON.parse(line) as Line) });
}

describe('the log', () => {
  it('has one line an event: time, level as a word, app, message, fields', () => {
    const lines: Line[] = [];
    logTo(lines, PLAIN).warn({ shard: 3 }, 'Shard is away');
    expect(lines).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: 'warn',
        app: 'test',
        message: 'Shard is away',
        shard: 3,
      },
    ]);
  });

  it('hides user names behind keyed hashes, the same for the same user and key', () => {
    const lines: Line[] = [];
    logTo(lines, HASHED).info({ user: 'alice' }, 'a');
    logTo(lines, HASHED).child({ username: 'alice' }).info('b');
    logTo(lines, { ...HASHED, hashKey: 'other sixteen characters' }).info({ user: 'alice' }, 'c');
    const [first, second, other] = lines;
    expect(first?.['user']).toMatch(/^[0-9a-f]{16}$/);
    expect(second?.['username']).toBe(first?.['user']);
    expect(other?.['user']).not.toBe(first?.['user']);
  });

  it('draws a key where there is none', () => {
    const lines: Line[] = [];
    logTo(lines, { ...HASHED, hashKey: null }).info({ user: 'alice' }, 'a');
    logTo(lines, { ...HASHED, hashKey: null }).info({ user: 'alice' }, 'a');
    expect(lines[0]?.['user']).not.toBe(lines[1]?.['user']);
  });

  it('shows no secrets: by the name of the field, in addresses, and in what libraries hang on errors', () => {
    const lines: string[] = [];
    const logger = createLogger({ logging: PLAIN }, 'test', { write: (line) => void lines.push(line) });
    const error = Object.assign(new Error('connect redis://:hunter2@host failed'), { command: { args: ['hunter2'] } });
    logger.error(
      { err: error, url: 'redis://:hunter2@host', redis: { password: 'hunter2' }, authorization: 'Bearer hunter2' },
      'broken',
    );
    expect(lines.join('')).not.toContain('hunter2');
    expect(withoutCredentials('rediss://u:p@h:1/0')).toBe('rediss://***@h:1/0');
  });
});

describe("Nest's lines", () => {
  it('are lines of our log, with its context and stack as fields', () => {
    const lines: Line[] = [];
    const nest = new NestLogger(logTo(lines, PLAIN));
    nest.log('Starting', 'NestFactory');
    nest.error('failed', 'Error: failed\n  at x', 'Router');
    nest.warn(new Error('odd'), 'Router');
    expect(lines).toMatchObject([
      { level: 'debug', message: 'Starting', context: 'NestFactory' },
      { level: 'error', message: 'failed', context: 'Router', stack: 'Error: failed\n  at x' },
      { level: 'warn', message: 'odd', context: 'Router', err: { message: 'odd' } },
    ]);
  });
});

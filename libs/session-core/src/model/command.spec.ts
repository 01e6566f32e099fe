import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nodeCheckOf, readCommand, readCommandId, writeCommandId } from './command.js';

const address = {
  shard: 255,
  sessionId: 'a84b4c76e66710@pc33.atlanta.example',
  attempt: 2 ** 31 - 1,
  startedAtMs: 1_800_000_000_000,
  nodeCheck: nodeCheckOf('b2bua-1'),
};

describe('the id of a command', () => {
  it('says where the command is, in characters that every path takes', () => {
    const session = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        session,
        fc.nat(65_535),
        fc.nat(),
        fc.nat(2 ** 47),
        fc.string(),
        (sessionId, shard, attempt, startedAtMs, node) => {
          const known = { sessionId, shard, attempt, startedAtMs, nodeCheck: nodeCheckOf(node) };
          const id = writeCommandId(known);
          expect(id).toMatch(/^[\w-]+$/);
          expect(readCommandId(id)).toEqual(known);
        },
      ),
    );
  });

  it.each([
    ['nothing', ''],
    ['a word', 'hello'],
    ['one without a session', writeCommandId({ ...address, sessionId: '' })],
    ['one with a session of 257 bytes', writeCommandId({ ...address, sessionId: 'x'.repeat(257) })],
    ['one with something in front', ` ${writeCommandId(address)}`],
    ['one that is padded', `${writeCommandId({ ...address, sessionId: 'x' })}=`],
    ['one in the other alphabet', writeCommandId({ ...address, sessionId: '?>?>' }).replaceAll('_', '/')],
    ['bytes that are no text', Buffer.alloc(40, 0xff).toString('base64url')],
    ['any text at all', '\u0000../../%2e'],
  ])('is not %s', (_, text) => {
    expect(readCommandId(text)).toBeNull();
  });
});

describe('a stored command', () => {
  const stored = { sessionId: 'c', attempt: 1, startedAt: 5, epoch: '0', reason: 'killed', at: 6 };

  it('is read', () => {
    expect(readCommand(0, 'n', JSON.stringify(stored))).toMatchObject({
      sessionId: 'c',
      attempt: 1,
      reason: 'killed',
      atMs: 6,
    });
  });

  it.each([
    '',
    'x',
    '1',
    'null',
    '[]',
    '{}',
    JSON.stringify({ ...stored, reason: 'because' }),
    JSON.stringify({ ...stored, at: null }),
    JSON.stringify({ ...stored, sessionId: 5 }),
    JSON.stringify({ ...stored, attempt: -1 }),
  ])('that nobody of ours wrote is none: %j', (json) => {
    expect(readCommand(0, 'n', json)).toBeNull();
  });
});

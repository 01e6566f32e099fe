import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { startDeadline } from './deadline.js';
import { StoreUnavailableError } from './errors.js';
import { withDeadline } from './store-call.js';

const DEADLINE_MS = 40;

/** Answers each byte with that byte. It stands still with this process, so that an answer takes some turns of the event loop after a stall. */
let echo: Socket;
const server = createServer((socket) => socket.on('data', (data) => socket.write(data)));

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  echo = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  await once(echo, 'connect');
});
afterAll(() => {
  echo.destroy();
  server.close();
});

/** Nothing of this process runs meanwhile, as when it is stopped or one turn of its event loop is long. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const ask = async () => {
  const answer = once(echo, 'data');
  echo.write('x');
  await answer;
};

describe('an answer that has arrived counts even if the timer is due first', () => {
  it('where the process stood still for longer than the deadline', async () => {
    for (let round = 0; round < 10; round += 1) {
      const answered = withDeadline(DEADLINE_MS, ask);
      standStill(2 * DEADLINE_MS);
      await expect(answered).resolves.toBeUndefined();
    }
  });

  it('where a call asks several times, and the process stands still in each', async () => {
    const answered = withDeadline(DEADLINE_MS, async () => {
      for (let round = 0; round < 3; round += 1) {
        const answer = ask();
        standStill(2 * DEADLINE_MS);
        await answer;
      }
    });
    await expect(answered).resolves.toBeUndefined();
  });

  it('where the question has not left yet when the deadline is over', async () => {
    const answered = withDeadline(DEADLINE_MS, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await ask();
    });
    standStill(2 * DEADLINE_MS);
    await expect(answered).resolves.toBeUndefined();
  });
});

describe('a deadline', () => {
  it('ends a call that is never answered, not before its time', async () => {
    const startedAt = performance.now();
    await expect(withDeadline(DEADLINE_MS, () => new Promise(() => {}))).rejects.toBeInstanceOf(StoreUnavailableError);
    // A timer may fire in the last millisecond before its time.
    expect(performance.now() - startedAt).toBeGreaterThan(DEADLINE_MS - 5);
  });

  it('counts a stall of this process as little more than nothing, and ends all the same', async () => {
    const ended = new Promise((resolve) => startDeadline(DEADLINE_MS, () => resolve('ended')));
    for (let round = 0; round < 3; round += 1) {
      standStill(3 * DEADLINE_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe('ended');
  });

  it('does nothing once it is stopped', async () => {
    let expired = false;
    clearTimeout(startDeadline(1, () => (expired = true)));
    await new Promise((resolve) => startDeadline(20, () => resolve(null)));
    expect(expired).toBe(false);
  });
});

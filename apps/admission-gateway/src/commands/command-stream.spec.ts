import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import { StoreUnavailableError, type Command } from '#session-core';
import { eventually } from '#testing';

import { EventSink } from './command-sink.js';
import { CommandStream, type StreamTiming } from './command-stream.js';

const PATIENT: StreamTiming = { resendMs: 60_000, keepAliveMs: 60_000, stallMs: 60_000, retryMs: 10 };
const PAGE = 250;

let server: Server | undefined;
const answers: IncomingMessage[] = [];

afterEach(async () => {
  for (const answer of answers.splice(0)) answer.destroy(); // one that is not read to its end never hears that its server is gone
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

/** Opens one stream over a real connection. `ended`: what `run` came to. */
async function stream(source: () => AsyncIterable<Command[]>, timing: Partial<StreamTiming> = {}) {
  const opened = { ended: null as unknown, stream: undefined as CommandStream | undefined };
  server = createServer((_, out) => {
    opened.stream = new CommandStream(new EventSink(out), source, { ...PATIENT, ...timing });
    opened.stream.run().then(
      () => (opened.ended = 'closed'),
      (error: unknown) => (opened.ended = error),
    );
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent: false }, resolve).on('error', reject).end();
  });
  answer.on('error', () => {});
  answers.push(answer);
  return { answer, opened };
}

function page(number: number): Command[] {
  return Array.from({ length: PAGE }, (_, i) => {
    const name = `${number}-${i}`;
    return { commandId: name, sessionId: name.padEnd(256, 'x'), attempt: 1, reason: 'killed', atMs: number };
  });
}

function reader(answer: IncomingMessage) {
  const read = { text: '' };
  answer.setEncoding('utf8').on('data', (part: string) => (read.text += part));
  return read;
}

describe('a command stream', () => {
  it('neither fills the memory for a client that does not read, nor waits for it for ever', async () => {
    let pages = 0;
    const { opened } = await stream(
      async function* () {
        for (; pages < 100_000; pages++) yield page(pages);
      },
      { stallMs: 300 },
    );
    await eventually(() => opened.ended === 'closed', { what: 'the stream to be dropped' });
    expect(pages).toBeGreaterThan(0);
    expect(pages).toBeLessThan(1_000); // what the sockets hold; 100,000 pages are 10 GB
  });

  it('waits for a client that reads slowly, and loses nothing', async () => {
    const { answer, opened } = await stream(async function* () {
      for (let number = 0; number < 200; number++) yield page(number);
    });
    answer.pause();
    const read = reader(answer);
    const slowly = setInterval(() => {
      answer.resume();
      setImmediate(() => answer.pause());
    }, 1);
    await eventually(() => read.text.split('event: terminate').length - 1 === 200 * PAGE);
    clearInterval(slowly);
    expect(opened.ended).toBeNull();
  });

  it('sends again what is still there, and not what is acknowledged', async () => {
    let waiting = page(0).slice(0, 2);
    const { answer } = await stream(
      async function* () {
        yield waiting;
      },
      { resendMs: 200 },
    );
    const read = reader(answer);
    const timesOf = (name: string) => read.text.split(`id: ${name}\n`).length - 1;
    await eventually(() => timesOf('0-0') === 1 && timesOf('0-1') === 1);
    waiting = waiting.slice(1);
    await eventually(() => timesOf('0-1') >= 3);
    expect(timesOf('0-0')).toBe(1);
  });

  it('is woken for what is new, and does not repeat the rest for it', async () => {
    const waiting = page(0).slice(0, 1);
    const { answer, opened } = await stream(async function* () {
      yield [...waiting];
    });
    const read = reader(answer);
    await eventually(() => read.text.includes('id: 0-0\n'));
    waiting.push(...page(1).slice(0, 1));
    opened.stream?.wake();
    await eventually(() => read.text.includes('id: 1-0\n'));
    expect(read.text.split('event: terminate')).toHaveLength(3);
  });

  it('keeps a silent connection open by comments', async () => {
    const { answer } = await stream(async function* () {}, { keepAliveMs: 20 });
    const read = reader(answer);
    await eventually(() => /^retry: 1000\n\n(:\n\n){3,}$/.test(read.text));
  });

  it('goes on when the store is back, with what it could not send', async () => {
    let away = true;
    const { answer, opened } = await stream(async function* () {
      yield page(0).slice(0, 1);
      if (away) throw new StoreUnavailableError('away');
      yield page(1).slice(0, 1);
    });
    const read = reader(answer);
    await eventually(() => read.text.includes('id: 0-0\n'));
    away = false;
    await eventually(() => read.text.includes('id: 1-0\n'));
    expect(read.text.split('event: terminate')).toHaveLength(3);
    expect(opened.ended).toBeNull();
  });

  it('ends with its client, and says what is a bug', async () => {
    const { answer, opened } = await stream(async function* () {});
    answer.destroy();
    await eventually(() => opened.ended === 'closed');
    await new Promise((resolve) => server?.close(resolve));

    const broken = await stream(() => {
      throw new TypeError('a bug');
    });
    await eventually(() => broken.opened.ended instanceof TypeError);
  });
});

// Events per second through one consumer of one stream, with handlers that do nothing, against the built library:
//   npx nest build event-streams && node libs/event-streams/test/throughput.mjs [redis url] [events] [batch]
// The stream is filled first. Uses and deletes the keys throughput and throughput:*.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern } from '@nestjs/microservices';
// oxlint-disable-next-line no-restricted-imports -- a measurement, in a process of its own
import { Redis } from 'ioredis';

import { StreamsServer, groupsKey } from '#event-streams';

const [, , url = 'redis://127.0.0.1:6379', events = '200000', batch = '100'] = process.argv;
const COUNT = Number(events);
const STREAM = 'throughput';
const redis = new Redis(url);

async function fill() {
  await redis.del(STREAM, groupsKey(STREAM));
  for (let done = 0; done < COUNT; done += 1_000) {
    const pipeline = redis.pipeline();
    for (let i = done; i < Math.min(done + 1_000, COUNT); i += 1) {
      const facts = [
        'sessionId',
        `call-${i}@sip.example.net`,
        'user',
        `user-${i % 5_000}`,
        'node',
        'b2bua-1',
        'reason',
        'completed',
      ];
      const times = ['attempt', 1, 'startedAt', 1_763_700_000_000 + i, 'endedAt', 1_763_700_060_000 + i];
      pipeline.xadd(STREAM, '*', 'v', 1, 'id', `e${i}`, 'type', 'session.ended', ...facts, ...times);
    }
    await pipeline.exec();
  }
}

let handled = 0;
let finished = () => {};

function count(more) {
  handled += more;
  if (handled >= COUNT) finished();
}

class EventsController {
  ended() {
    count(1);
  }
}
Controller()(EventsController);
const method = Object.getOwnPropertyDescriptor(EventsController.prototype, 'ended');
EventPattern('session.ended')(EventsController.prototype, 'ended', method);

function EventsModule() {}
Module({ controllers: [EventsController] })(EventsModule);

async function measure(name, prepare) {
  await fill();
  handled = 0;
  const strategy = new StreamsServer({
    connect: () => new Redis(url),
    streams: [STREAM],
    group: 'measured',
    deadLetterStream: 'throughput:dead',
    batch: Number(batch),
  });
  prepare(strategy);
  const done = new Promise((resolve) => (finished = resolve));
  const cpu = process.cpuUsage();
  const start = performance.now();
  const app = await NestFactory.createMicroservice(EventsModule, { strategy, logger: ['error'] });
  await app.listen();
  await done;
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const micros = ((user + system) / COUNT).toFixed(1);
  console.log(
    `${name}: ${Math.round(COUNT / seconds)} events/s, ${micros} µs of CPU an event (batch ${batch}, ${COUNT} events)`,
  );
  await app.close();
}

await measure('batch handler', (server) =>
  server.addBatchHandler({
    types: ['session.ended'],
    async handle(entries) {
      count(entries.length);
      return entries.map(() => 'done');
    },
  }),
);
await measure('@EventPattern', () => {});
await redis.del(STREAM, groupsKey(STREAM), 'throughput:dead');
redis.disconnect();

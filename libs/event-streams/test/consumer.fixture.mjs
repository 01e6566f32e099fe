// A consumer as a process of its own, run by crash.e2e.spec.ts against the built library: node consumer.fixture.mjs URL STREAM GROUP.
// Its effect is idempotent: whether it has been applied, and the effect, are written in one step. What it applied it prints.
// STALL_AT=<id>: stands still between that effect and its acknowledgement. BATCHES=1: handles whole batches.
// oxlint-disable-next-line no-restricted-imports -- a test, in a process of its own
import { Redis } from 'ioredis';

import { StreamsServer } from '#event-streams';

const APPLY = `
  redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
  if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then redis.call('HINCRBY', KEYS[2], ARGV[1], 1) end`;

const [, , url, stream, group] = process.argv;
const effects = new Redis(url);

async function apply({ fields: { id } }) {
  await effects.eval(APPLY, 3, 'seen', 'effects', 'handled', id);
  process.stdout.write(`applied ${id}\n`);
  if (id === process.env.STALL_AT) await new Promise(() => {});
}

const server = new StreamsServer({
  connect: () => new Redis(url),
  streams: [stream],
  group,
  deadLetterStream: 'dead-letters',
  blockMs: 100,
  claimIdleMs: 500,
  retryMs: 50,
  maxDeliveries: 100,
});

if (process.env.BATCHES === '1') {
  server.addBatchHandler({
    types: ['session.ended'],
    async handle(entries) {
      await Promise.all(entries.map(apply));
      return entries.map(() => 'done');
    },
  });
} else {
  server.addHandler('session.ended', apply, true);
}

server.listen(() => process.stdout.write('listening\n'));

// No exit: the process ends by itself, when nothing is left that keeps it alive.
process.once('SIGTERM', () => {
  void server.close().then(() => {
    effects.disconnect();
    process.stdout.write('closed\n');
  });
});

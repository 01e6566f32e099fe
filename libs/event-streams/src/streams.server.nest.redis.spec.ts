import 'reflect-metadata';
import { Catch, Controller, Module, UseFilters, type ArgumentsHost, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload, RpcException } from '@nestjs/microservices';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { concat, of, throwError, timer } from 'rxjs';

import {
  DeadLetterError,
  IN_BATCHES,
  StreamsContext,
  StreamsServer,
  type EntryResult,
  type StreamEntry,
} from './index.js';
import { describeWith, eventually } from '#testing';

import { DEAD, GROUP, TestStreams, Facts } from '../test/test-streams.js';

const seen: string[] = [];

@Catch(RangeError)
class OnRangeError {
  catch(error: RangeError, host: ArgumentsHost) {
    const { entry } = host.switchToRpc().getContext<StreamsContext>();
    return throwError(() => new DeadLetterError(`${String(entry.fields['id'])}: ${error.message}`));
  }
}

@Controller()
class EventsController {
  @EventPattern('session.ended')
  ended(@Payload() entry: StreamEntry, @Ctx() context: unknown) {
    const same = context instanceof StreamsContext && context.entry === entry;
    seen.push(`ended ${entry.fields['sessionId']} ${same}`);
  }

  @EventPattern('session.ended')
  alsoEnded(@Payload() entry: StreamEntry) {
    seen.push(`too ${entry.fields['sessionId']}`);
  }

  @EventPattern('malformed')
  malformed({ fields }: StreamEntry): void {
    throw new DeadLetterError(`no user in ${fields['id']}`);
  }

  @EventPattern('observed')
  observed(@Payload() { deliveries }: StreamEntry) {
    seen.push(`observed ${deliveries}`);
    const late = throwError(() => new DeadLetterError('late'));
    return deliveries === 1 ? throwError(() => new Error('once')) : concat(timer(5), of(1), late);
  }

  @EventPattern(['one', 'other'], IN_BATCHES)
  together(@Payload() entries: readonly StreamEntry[], @Ctx() { entry }: StreamsContext): EntryResult[] {
    seen.push(
      `${entries.map(({ fields, deliveries }) => `${fields['id']} ${deliveries}`).join()} ${entry === entries[0]}`,
    );
    return entries.map(({ fields, deliveries }) => {
      if (fields['id'] === 'bad') return { deadLetter: 'malformed' };
      return fields['id'] === 'late' && deliveries === 1 ? { retry: 'not yet' } : 'done';
    });
  }

  @EventPattern('failing', IN_BATCHES)
  failing([{ fields, deliveries }]: readonly [StreamEntry]): EntryResult[] {
    seen.push(`failing ${deliveries}`);
    if (deliveries === 1) throw new RpcException('the database is away');
    return deliveries === 2 ? [] : [{ deadLetter: `of ${fields['id']}` }];
  }

  @EventPattern('filtered')
  @UseFilters(OnRangeError)
  filtered({ deliveries }: StreamEntry) {
    throw new RangeError(`out of range at ${deliveries}`);
  }
}

@Module({ controllers: [EventsController] })
class EventsModule {}

describeWith(['redis-server'], 'in a Nest application', () => {
  let lab: TestStreams;
  let app: INestMicroservice;
  let facts: Facts;

  beforeAll(async () => {
    lab = await TestStreams.start();
  });

  beforeEach(async () => {
    await lab.clear();
    seen.length = 0;
    facts = new Facts();
    await start();
  });

  async function start(): Promise<void> {
    const strategy = new StreamsServer({
      connect: () => lab.redis.client(),
      streams: [lab.stream],
      group: GROUP,
      deadLetterStream: DEAD,
      observer: facts.observer,
      blockMs: 50,
      retryMs: 10,
      claimIdleMs: 300,
    });
    app = await NestFactory.createMicroservice(EventsModule, { strategy, logger: false });
    await app.listen();
  }

  afterEach(async () => {
    await app.close();
  });

  afterAll(() => lab?.stop());

  const publish = (type: string, fields: Record<string, string>) =>
    lab.client.xadd(lab.stream, '*', 'v', '1', 'type', type, ...Object.entries(fields).flat());
  const deadReasons = async () => (await lab.deadLetters()).map((letter) => letter['dead.reason']);
  const settled = () => eventually(async () => (await lab.pending()) === 0, { what: 'nothing to be pending' });

  it('an event reaches every handler of its pattern', async () => {
    await publish('session.ended', { id: 'e1', sessionId: 's1' });
    await eventually(() => expect(seen.toSorted()).toEqual(['ended s1 true', 'too s1']));
    await settled();
  });

  it('a dead-letter error passes the exception filters of Nest', async () => {
    await publish('malformed', { id: 'm1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['no user in m1']));
  });

  it('an observable counts when it has completed; its error as one that was thrown', async () => {
    await publish('observed', { id: 'o1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['late']));
    expect(seen).toEqual(['observed 1', 'observed 2']);
  });

  it("a filter's own error decides", async () => {
    await publish('filtered', { id: 'f1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['f1: out of range at 1']));
  });

  it('a method in batches gets what was read together, of all its types, and decides for each entry', async () => {
    await app.close();
    for (const [type, id] of [
      ['one', 'good'],
      ['other', 'bad'],
      ['one', 'late'],
      ['other', 'fine'],
    ]) {
      await publish(type!, { id: id! });
    }
    await start();
    await eventually(async () => expect(await deadReasons()).toEqual(['malformed']));
    await eventually(() => expect(seen).toEqual(['good 1,bad 1,late 1,fine 1 true', 'late 2 true']));
    await settled();
  });

  it('a method in batches that throws, or gives no results, is called again', async () => {
    await publish('failing', { id: 'f1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['of f1']));
    expect(facts.of('retrying')).toMatchObject([
      { reason: 'the database is away' },
      { reason: 'the handler gave no result' },
    ]);
  });

  it('an event that nobody handles is a dead letter', async () => {
    await publish('session.sung', { id: 'x1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['no-handler']));
    await settled();
  });
});

import 'reflect-metadata';
import { Catch, Controller, Module, UseFilters, type ArgumentsHost, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { concat, firstValueFrom, lastValueFrom, of, throwError, timer } from 'rxjs';

import {
  ClosedError,
  DeadLetterError,
  InvalidEventError,
  StreamsClient,
  StreamsContext,
  StreamsDoNotAnswerError,
  StreamsServer,
  type StreamEntry,
} from '#event-streams';
import { describeWith, eventually } from '#testing';

import { DEAD, GROUP, TestStreams, Told } from './test-streams.js';

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
  let client: StreamsClient;
  let told: Told;

  beforeAll(async () => {
    lab = await TestStreams.start();
  });

  beforeEach(async () => {
    await lab.clear();
    seen.length = 0;
    told = new Told();
    const connect = () => lab.redis.client();
    const strategy = new StreamsServer({
      connect,
      streams: [lab.stream],
      group: GROUP,
      deadLetterStream: DEAD,
      observer: told.observer,
      blockMs: 50,
      retryMs: 10,
      claimIdleMs: 300,
    });
    app = await NestFactory.createMicroservice(EventsModule, { strategy, logger: false });
    await app.listen();
    client = new StreamsClient({ connect, route: () => lab.stream, maxLength: 1_000 });
  });

  afterEach(async () => {
    client.close();
    await app.close();
  });

  afterAll(() => lab?.stop());

  const deadReasons = async () => (await lab.deadLetters()).map((letter) => letter['dead.reason']);
  const settled = () => eventually(async () => (await lab.pending()) === 0, { what: 'nothing to be pending' });

  it('an emitted event reaches every handler of its pattern', async () => {
    const streamId = await firstValueFrom(client.emit('session.ended', { id: 'e1', sessionId: 's1', attempt: 2 }));
    await eventually(() => expect(seen.toSorted()).toEqual(['ended s1 true', 'too s1']));
    await settled();
    expect(await lab.client.xrange(lab.stream, '-', '+')).toEqual([
      [streamId, ['v', '1', 'id', 'e1', 'type', 'session.ended', 'sessionId', 's1', 'attempt', '2']],
    ]);
  });

  it('an event without an id gets one of its own', async () => {
    await lastValueFrom(client.emit('session.ended', {}));
    await lastValueFrom(client.emit('session.ended', {}));
    const rows = await lab.client.xrange(lab.stream, '-', '+');
    expect(new Set(rows.map(([, fields]) => fields[3])).size).toBe(2);
  });

  it('a dead-letter error passes the exception filters of Nest', async () => {
    client.emit('malformed', { id: 'm1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['no user in m1']));
  });

  it('an observable counts when it has completed; its error as one that was thrown', async () => {
    client.emit('observed', { id: 'o1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['late']));
    expect(seen).toEqual(['observed 1', 'observed 2']);
  });

  it("a filter's own error decides", async () => {
    client.emit('filtered', { id: 'f1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['f1: out of range at 1']));
  });

  it('an event that nobody handles is a dead letter', async () => {
    client.emit('session.sung', { id: 'x1' });
    await eventually(async () => expect(await deadReasons()).toEqual(['no-handler']));
    await settled();
  });

  it('send is refused, and so are events that a stream cannot hold', async () => {
    await expect(firstValueFrom(client.send('session.ended', {}))).rejects.toThrow(StreamsDoNotAnswerError);
    const refused = [{ type: 'x' }, { v: 2 }, { nested: {} }, 'text'];
    for (const data of refused) {
      await expect(firstValueFrom(client.emit('session.ended', data))).rejects.toThrow(InvalidEventError);
    }
    await expect(firstValueFrom(client.emit({ cmd: 'x' }, {}))).rejects.toThrow(InvalidEventError);
    expect(await lab.client.xlen(lab.stream)).toBe(0);
    client.close();
    await expect(firstValueFrom(client.emit('session.ended', {}))).rejects.toThrow(ClosedError);
  });

  it('the route chooses the stream, and the bound holds whoever does not trim', async () => {
    const bounded = new StreamsClient({
      connect: () => lab.redis.client(),
      route: (type, { shard }) => `${lab.stream}:${type}:${String(shard)}`,
      maxLength: 200,
    });
    for (let i = 0; i < 500; i += 1) await lastValueFrom(bounded.emit('e', { shard: i % 2 }));
    expect(await lab.client.xlen(`${lab.stream}:e:0`)).toBe(250);
    for (let i = 0; i < 500; i += 1) await lastValueFrom(bounded.emit('e', { shard: 0 }));
    expect(await lab.client.xlen(`${lab.stream}:e:0`)).toBeLessThanOrEqual(300);
    bounded.close();
  });
});

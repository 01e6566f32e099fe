import { SessionStore } from '../src/session-store.js';
import { allShardScripts } from '../src/scripts/script.js';
import type { Books, TestClock } from './fixture.js';
import type { RedisServer } from '#testing';

/** As the bounds of the streams stand in `prelude.lua`. */
const BOUNDS = { events: '8000000', rejections: '600000' };

/** A store on the Redis of these books whose scripts have smaller bounds: nobody waits for streams of millions. */
export function boundedStore(
  { server, clock }: Books & { server: RedisServer; clock: TestClock },
  bounds: Partial<Record<keyof typeof BOUNDS, number>>,
): SessionStore {
  const client = server.client();
  const original = client.callBuffer.bind(client);
  const call = async (command: string, list: (string | number | Buffer)[]) => {
    const script = [...allShardScripts().values()].find(({ sha }) => command === 'EVALSHA' && sha === list[0]);
    if (script === undefined) return await original(command, list);
    const { events = BOUNDS.events, rejections = BOUNDS.rejections } = bounds;
    const source = script.source
      .replaceAll(BOUNDS.events, String(events))
      .replaceAll(BOUNDS.rejections, String(rejections));
    return await original('EVAL', [source, ...list.slice(1)]);
  };
  client.callBuffer = call as typeof client.callBuffer;
  return new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000, clockMs: () => clock.nowMs });
}

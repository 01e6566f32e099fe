import { eventually, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { startKamailio, type Kamailio } from './kamailio.js';

/** Everything a call passes through: Redis, two gateways, reaper, admin, and the example proxy in front. */
export interface VoiceFleet {
  readonly redis: RedisServer;
  readonly berth: Berth;
  readonly kamailio: Kamailio;
  /** How many places a user holds. */
  active(user: string): Promise<number>;
  /** Waits until the user holds so many places. */
  holds(user: string, places: number): Promise<void>;
  /** `reserved` or `active` of a live session, its end reason afterwards. */
  stateOf(callId: string): Promise<string>;
  /** Ends a session behind the proxy's back. */
  end(callId: string): Promise<void>;
  /** Waits until nobody holds a place. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the fleet; every user may have five calls. */
export async function startVoiceFleet(): Promise<VoiceFleet> {
  const redis = await startRedis();
  const berth = await startBerth({
    redisUrl: redis.url,
    gateways: 2,
    configYaml: 'limits:\n  max_sessions_per_user: 5\n',
  }).catch(async (error: unknown) => {
    await redis.stop();
    throw error;
  });
  const [first, second] = berth.gateways;
  if (first === undefined || second === undefined) throw new Error('Two gateways were expected');
  const kamailio = await startKamailio({ berthUrls: [first.url, second.url] }).catch(async (error: unknown) => {
    await Promise.all([berth.stop(), redis.stop()]);
    throw error;
  });
  const admin = `${berth.app('limits-admin').url}/api/sessions`;

  const active = async (user: string) => (await getJson(`${admin}/users/${user}`)).activeSessions ?? NaN;
  return {
    redis,
    berth,
    kamailio,
    active,
    async holds(user, places) {
      await eventually(async () => (await active(user)) === places, { what: `${user} to hold ${places} places` });
    },
    async stateOf(callId) {
      const session = await getJson(`${first.url}/v1/sessions/${encodeURIComponent(callId)}`);
      return session.endReason ?? session.state ?? 'unknown';
    },
    async end(callId) {
      const response = await fetch(`${first.url}/v1/sessions/${encodeURIComponent(callId)}`, { method: 'DELETE' });
      if (response.status !== 204) throw new Error(`Ending ${callId} was answered with ${response.status}`);
    },
    async empty() {
      await eventually(
        async () => {
          const { sessions } = await getJson(`${admin}/active`);
          if (sessions?.length !== 0) throw new Error(`still there: ${JSON.stringify(sessions)}`);
        },
        { what: 'every place to be free' },
      );
    },
    async stop() {
      await kamailio.stop();
      await berth.stop();
      await redis.stop();
    },
  };
}

/** The members that these tests read. */
interface Answer {
  activeSessions?: number;
  state?: string;
  endReason?: string;
  sessions?: unknown[];
}

async function getJson(url: string): Promise<Answer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

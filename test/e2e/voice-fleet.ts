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
  /** Ends a session behind the proxy's back, as a node of its own would. */
  end(callId: string): Promise<void>;
  /** Puts a session on the books that no proxy knows of. */
  admit(session: { sessionId: string; user: string; node?: string; epoch?: number }): Promise<void>;
  /** Redis dies and comes back empty. */
  loseBooks(): Promise<void>;
  /** Ends a session as an operator does, through limits-admin. */
  kill(callId: string): Promise<void>;
  /** Ends all of a user's sessions as an operator does. */
  killAll(user: string): Promise<void>;
  /** Changes the limits in force, as `PUT /api/sessions/limits` takes them. */
  setLimits(limits: object): Promise<void>;
  /** What Berth knows of a proxy; null before its first beat. */
  nodeView(kamailio?: Kamailio): Promise<NodeJson | null>;
  /** Waits until nobody holds a place. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

export interface VoiceFleetOptions {
  /** Berth's configuration; every user may have five calls by default. */
  configYaml?: string;
}

/** Starts the fleet. Two gateways, as the proxy wants them. */
export async function startVoiceFleet(options: VoiceFleetOptions = {}): Promise<VoiceFleet> {
  const { configYaml = 'limits: { max_sessions_per_user: 5 }' } = options;
  const redis = await startRedis();
  const berth = await startBerth({ redisUrl: redis.url, gateways: 2, configYaml }).catch(async (error: unknown) => {
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
  const send = async (method: string, url: string, body: object | null, status: number) => {
    const init: RequestInit = { method };
    if (body !== null)
      Object.assign(init, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
    const response = await fetch(url, init);
    if (response.status !== status) throw new Error(`${method} ${url} was answered with ${response.status}`);
  };
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
    end: (callId) => send('DELETE', `${first.url}/v1/sessions/${encodeURIComponent(callId)}`, null, 204),
    admit: (session) => send('POST', `${first.url}/v1/sessions`, session, 201),
    loseBooks: () => redis.restart(),
    kill: (callId) => send('DELETE', `${admin}/${encodeURIComponent(callId)}`, null, 200),
    killAll: (user) => send('DELETE', `${admin}/users/${user}/sessions`, null, 200),
    setLimits: (limits) => send('PUT', `${admin}/limits`, limits, 200),
    async nodeView({ node } = kamailio) {
      return (await getJson(`${admin}/nodes`)).nodes?.find((view) => view.node === node) ?? null;
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
  nodes?: NodeJson[];
}

export interface NodeJson {
  node: string;
  epoch: number;
  state: 'live' | 'lost';
  /** As in its last beat. */
  claimedSessions: number | null;
  sessions: number;
  pendingCommands: number;
  lastBeat: string | null;
  lastSnapshot: string | null;
}

async function getJson(url: string): Promise<Answer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

import { expect, it } from '@jest/globals';

import { shardKeys, shardOf } from '#session-core';
import { describeWith, eventually, type BerthOptions } from '#testing';

import { onRaces, oneRedis, PATIENT, race, threeMasters, timesOf } from './racers.js';

const LIMIT = 100;

const KINDS = [
  { kind: 'one Redis', redis: oneRedis, shards: 1, users: ['alice'] },
  { kind: 'a cluster of three', redis: threeMasters, shards: 3, users: ['alice', 'bob', 'carol', 'dave', 'erin'] },
];

const startRace = onRaces();

/** Each user in turn. */
const bodiesOf = (users: string[], body: object = {}) => users.map((user) => ({ ...body, user }));

async function start(kind: (typeof KINDS)[number], options: Omit<BerthOptions, 'redisUrl'>) {
  const { redis, berth, urls } = await startRace(kind.redis, options);
  const tenant = { name: 'default', shards: kind.shards };
  const client = redis.client();
  const keysOf = (user: string) => shardKeys(tenant, shardOf(tenant, user));
  return {
    urls,
    berth,
    /** The ids of the live sessions. */
    live: async () => {
      const ids = await Promise.all(
        kind.users.map((user) => client.zrange(keysOf(user).userSessions(user), '0', '-1')),
      );
      return ids.flat().toSorted();
    },
    /** The highest count of one user that any admission ever led to: written in the same script as its effect. */
    highest: async () => {
      const events = await Promise.all(
        [...new Set(kind.users.map((user) => keysOf(user).events))].map((key) => client.xrange(key, '-', '+')),
      );
      const counts = events.flat().flatMap(([, fields]) => {
        const at = fields.indexOf('userActive');
        return at === -1 ? [] : [Number(fields[at + 1])];
      });
      return Math.max(...counts);
    },
    /** Whether any trace of a live session is left in the indices. */
    isEmpty: async () => {
      const leftovers = await Promise.all(
        kind.users.map(async (user) => {
          const { userSessions, deadlines, users } = keysOf(user);
          return await Promise.all([client.zcard(userSessions(user)), client.zcard(deadlines), client.zcard(users)]);
        }),
      );
      return leftovers.flat().every((count) => count === 0);
    },
  };
}

describeWith(['redis-server'], 'racing processes', () => {
  it.each(KINDS)(
    'get exactly as many places as the limit has, on $kind',
    async (kind) => {
      const configYaml = `${PATIENT}\nlimits: { max_sessions_per_user: ${LIMIT} }\ntenants: { default: { shards: ${kind.shards} } }`;
      const { urls, live, highest } = await start(kind, { apps: ['admission-gateway'], gateways: 2, configYaml });
      const places = LIMIT * kind.users.length;

      const raced = await race(urls, { bodies: bodiesOf(kind.users), requests: 10_000 });

      expect([timesOf(raced.answers, 201), timesOf(raced.answers, 429)]).toEqual([places, 10_000 - places]);
      expect(raced.live).toEqual(await live());
      expect(await highest()).toBe(LIMIT);
    },
    120_000,
  );

  it.each(KINDS)(
    'never hold more than the limit while places change hands, on $kind',
    async (kind) => {
      const configYaml = `${PATIENT}\nlimits: { max_sessions_per_user: 7 }\ntenants: { default: { shards: ${kind.shards} } }`;
      const { urls, live, highest } = await start(kind, { apps: ['admission-gateway'], gateways: 2, configYaml });

      const raced = await race(urls, { bodies: bodiesOf(kind.users), requests: 4_000, churn: 0.99 });

      expect(new Set(raced.answers.map(({ status }) => status))).toEqual(new Set([201, 429]));
      expect(raced.live).toEqual(await live());
      expect(await highest()).toBe(7);
    },
    120_000,
  );
});

describeWith(['redis-server'], 'a gateway that is killed under load', () => {
  it.each(KINDS)(
    'leaves nothing behind once the deadlines have passed, on $kind',
    async (kind) => {
      const configYaml = `
limits: { max_sessions_per_user: 0 }
sessions: { sip: { session_timeout: 3, reservation: 2 }, tombstone: 1 }
tenants: { default: { shards: ${kind.shards} } }
`;
      const apps = ['admission-gateway', 'session-reaper'] as const;
      const { urls, isEmpty, berth: running } = await start(kind, { apps: [...apps], gateways: 2, configYaml });
      const [victim] = running.gateways;

      const racing = race(urls, {
        bodies: bodiesOf(kind.users, { state: 'reserved', node: 'n1', epoch: 1 }),
        requests: 8_000,
        churn: 0.5,
      });
      await eventually(async () => !(await isEmpty()), { what: 'live sessions' });
      await victim?.process.kill();
      const raced = await racing;

      expect(timesOf(raced.answers, 201)).toBeGreaterThan(0);
      expect(timesOf(raced.answers, 'broken')).toBeGreaterThan(0);
      await eventually(isEmpty, { what: 'every place to be free' });
    },
    120_000,
  );
});

import { expect, it } from '@jest/globals';
import { Cluster } from 'ioredis';

import { SessionStore, shardKeys, type LimitsLayer } from '#session-core';
import { describeWith } from '#testing';

import { onRaces, oneRedis, PATIENT, race, threeMasters, timesOf } from './racers.js';

const tenant = { name: 'default', shards: 1 };
const keys = shardKeys(tenant, 0);

const KINDS = [
  { kind: 'one Redis', redis: oneRedis },
  { kind: 'a cluster of three', redis: threeMasters },
];

const startRace = onRaces();

async function start(kind: (typeof KINDS)[number], layer: LimitsLayer) {
  const { redis, urls } = await startRace(kind.redis, {
    apps: ['admission-gateway'],
    gateways: 2,
    configYaml: PATIENT,
  });
  const admin = () => new SessionStore({ client: redis.client(), deadlineMs: 60_000, tombstoneMs: 60_000 });
  const { version } = await admin().limits.change(tenant, () => layer);
  const client = redis.client();
  return {
    urls,
    admin,
    client,
    version,
    /** Every key of the shard but those that outlive all sessions by design, with the ids of tombstones by themselves. */
    left: async () => {
      const masters = client instanceof Cluster ? client.nodes('master') : [client];
      const names = (await Promise.all(masters.map((master) => master.keys(`${keys.prefix}*`)))).flat();
      const session = keys.session('');
      return {
        tombstones: names.filter((name) => name.startsWith(session)).map((name) => name.slice(session.length)),
        others: names.filter((name) => !name.startsWith(session) && !LASTING.has(name)).toSorted(),
      };
    },
  };
}

const LASTING = new Set([keys.limits, keys.events, keys.rejections, keys.refusals, keys.pulse, keys.nodes]);

const ADDRESS = '192.0.2.10';

/** Three places each, of everything that the first body is under. */
const SMALL: LimitsLayer = {
  maxSessionsPerUser: 0,
  users: { alice: 3 },
  groups: {
    trunk: { overrides: { west: 3 }, parents: { west: 'carrier:acme', east: 'carrier:acme', south: 'carrier:zeta' } },
    carrier: { default: 3 },
    site: { default: 0, overrides: { one: 3 } },
  },
  maxSessionsPerIpPerHour: 3,
};
const EVERYTHING = { user: 'alice', groups: ['trunk:west', 'site:one'], sourceIp: ADDRESS };

const END = { reason: 'completed', by: 'node' } as const;

describeWith(['redis-server'], 'processes that race at the last place', () => {
  it.each(KINDS)(
    'of five limits and a rate at once get one, and leave nothing behind, on $kind',
    async (kind) => {
      const { urls, admin, client, version, left } = await start(kind, { ...SMALL, maxTotalSessions: 3 });
      const first = await race(urls, { prefix: 'first', bodies: [EVERYTHING], requests: 8 });
      expect(timesOf(first.answers, 201)).toBe(3);
      const [one = ''] = first.live;
      const books = admin();
      await books.end(tenant, { sessionId: one }, END);
      await client.zpopmin(keys.ipRate(ADDRESS));

      // All of them are under the total and the carrier, most under more; each of these has one place left.
      const bodies = [
        EVERYTHING,
        { user: 'bob', groups: ['trunk:west'], sourceIp: '192.0.2.11' },
        { user: 'alice', groups: ['trunk:east'], sourceIp: ADDRESS },
        { user: '*', groups: ['carrier:acme', 'site:one'] },
        { user: '*', groups: ['trunk:west', 'site:*'], sourceIp: ADDRESS },
      ];
      const raced = await race(urls, { bodies, requests: 10_000 });

      expect([timesOf(raced.answers, 201), timesOf(raced.answers, 429)]).toEqual([1, 9_999]);
      expect(raced.answers.every(({ policyVersion }) => policyVersion === version)).toBe(true);
      for (const { limits } of raced.answers.filter(({ status }) => status === 429)) {
        const named = limits.map(([scope, key]) => `${scope} ${key}`);
        expect(named).toEqual(expect.arrayContaining(['group carrier:acme', 'total *']));
      }
      const live = [...first.live.slice(1), ...raced.live];
      expect((await client.zrange(keys.deadlines, '0', '-1')).toSorted()).toEqual(live.toSorted());
      for (const sessionId of live) await books.end(tenant, { sessionId }, END);
      const { tombstones, others } = await left();
      expect(tombstones.toSorted()).toEqual([one, ...live].toSorted());
      expect(others.filter((name) => name !== keys.ipRate('192.0.2.11'))).toEqual([keys.ipRate(ADDRESS)]);
    },
    120_000,
  );

  it.each(KINDS)(
    'of a limit each get one each, on $kind',
    async (kind) => {
      const { urls, client, version } = await start(kind, {
        ...SMALL,
        users: { alice: 1 },
        groups: {
          trunk: { overrides: { west: 1 }, parents: { south: 'carrier:zeta', north: 'carrier:zeta' } },
          carrier: { overrides: { zeta: 1 } },
          site: { overrides: { one: 1 } },
        },
        maxSessionsPerIpPerHour: 1,
      });
      const bodies = [
        { user: 'alice', groups: ['site:*'] },
        { user: '*', groups: ['trunk:west', 'site:*'] },
        { user: '*', groups: ['trunk:south'] },
        { user: '*', groups: ['trunk:north'] },
        { user: '*', groups: ['site:*', 'site:one'] },
        { user: '*', sourceIp: ADDRESS },
      ];
      const raced = await race(urls, { bodies, requests: 10_000 });

      expect([timesOf(raced.answers, 201), timesOf(raced.answers, 429)]).toEqual([5, 9_995]);
      expect(raced.answers.every(({ policyVersion }) => policyVersion === version)).toBe(true);
      const named = raced.answers.filter(({ status }) => status === 429).map(({ limits }) => JSON.stringify(limits));
      expect([...new Set(named)].toSorted()).toEqual([
        '[["group","carrier:zeta",1]]',
        '[["group","site:one",1]]',
        '[["group","trunk:west",1]]',
        '[["ip","192.0.2.10",1]]',
        '[["user","alice",1]]',
      ]);
      expect(await client.zcard(keys.deadlines)).toBe(5);
      expect(await client.zcard(keys.ipRate(ADDRESS))).toBe(1);
    },
    120_000,
  );
});

describeWith(['redis-server'], 'limits that two admins change under load', () => {
  it.each(KINDS)(
    'are never seen mixed: a decision shows the limits of the version that it names, on $kind',
    async (kind) => {
      const layer: LimitsLayer = {
        maxSessionsPerUser: 3,
        maxTotalSessions: 6,
        groups: { trunk: { default: 4, parents: { west: 'carrier:acme' } }, carrier: { default: 5 } },
      };
      const { urls, admin, version } = await start(kind, layer);
      const layers = new Map<number, LimitsLayer>([[version, layer]]);
      const racing = { done: false };
      const change = async (edit: (api: LimitsLayer, round: number) => LimitsLayer) => {
        const { limits } = admin();
        for (let round = 1; !racing.done; round++) {
          const document = await limits.change(tenant, (api) => edit(api, round));
          layers.set(document.version, document.api);
        }
      };
      // Each change moves two limits, so that a mixture of two versions would show.
      const admins = [
        change((api, round) => ({ ...api, maxSessionsPerUser: 2 + (round % 7), maxTotalSessions: 5 + (round % 7) })),
        change((api, round) => {
          const { trunk, carrier } = api.groups ?? {};
          const groups = {
            trunk: { ...trunk, default: 3 + (round % 5) },
            carrier: { ...carrier, default: 4 + (round % 5) },
          };
          return { ...api, groups };
        }),
      ];
      const bodies = ['alice', 'bob', 'carol'].map((user) => ({ user, groups: ['trunk:west'] }));
      const raced = await race(urls, { bodies, requests: 4_000, churn: 0.95 });
      racing.done = true;
      await Promise.all(admins);

      expect([timesOf(raced.answers, 201) > 0, timesOf(raced.answers, 429) > 0]).toEqual([true, true]);
      expect(timesOf(raced.answers, 201) + timesOf(raced.answers, 429)).toBe(4_000);
      for (const { policyVersion, limits } of raced.answers) {
        const of = layers.get(policyVersion);
        const max: Record<string, number | undefined> = {
          user: of?.maxSessionsPerUser,
          total: of?.maxTotalSessions,
          'trunk:west': of?.groups?.['trunk']?.default,
          'carrier:acme': of?.groups?.['carrier']?.default,
        };
        expect(limits.map(([scope, key]) => [scope, key, max[scope] ?? max[key]])).toEqual(limits);
      }
      const versions = new Set(raced.answers.map(({ policyVersion }) => policyVersion));
      expect(versions.size).toBeGreaterThan(3);
    },
    120_000,
  );
});

import { expect, it } from '@jest/globals';

import { operationsOfApp, type DeclaredOperation } from '#service-kit';
import { inboxKeys, tenantKeys } from '#session-core';
import { eventually } from '#testing';

import { forWholeSuite, tenantsWith } from './admin-suite.fixture.js';
import { AppModule } from './app.module.js';
import { startWithHistory } from './history/api/history.fixture.js';
import { keysOfEveryKind } from './keys.fixture.js';
import { type Admin } from './limits-admin.fixture.js';

const ROLES = ['node', 'viewer', 'operator', 'admin'] as const;
/** In the tenant `default`: calls name the first, and never the second. */
const NAMES = ['hidden', 'buried'] as const;
/** Nothing, anywhere, has this name. */
const NOBODY = 'absent';

const own = keysOfEveryKind();
const others = keysOfEveryKind('acme');
/** What is of the process is of no tenant. */
const OPERATIONS = operationsOfApp(AppModule).filter(({ tag }) => tag !== 'process');

let admin: Admin;
let letter: string;

forWholeSuite(async (suite) => {
  const { client, fleet } = suite;
  const config = {
    auth: { keys: [...own.auth.keys, ...others.auth.keys] },
    tenants: tenantsWith({ acme: {} }),
  };
  ({ admin } = await startWithHistory(suite.start, 'memory:', { config }));
  const { heartbeats, fuses } = tenantKeys('default');
  for (const name of NAMES) {
    const facts = { destination: `${name}.example:5060`, metadata: { note: name } };
    await fleet.admit(name, name, facts, { node: name, groups: [`trunk:${name}`] });
    await client.zadd(heartbeats, Date.now(), name);
    const tripped = { kind: 'snapshot', node: name, epoch: 1, wouldEnd: 9, wouldHangUp: 0, held: 9, since: Date.now() };
    await client.hset(fuses, `snapshot/${name}`, JSON.stringify(tripped));
    const notes = { 'dead.reason': name, 'dead.stream': inboxKeys.events(0), 'dead.streamId': '1-1' };
    const fields = { v: '1', type: 'session.ended', note: name, ...notes, 'dead.deliveries': '1' };
    letter = (await client.xadd(inboxKeys.deadLetters('default'), '*', ...Object.entries(fields).flat())) ?? '';
    await admin.call('PUT', `/limits/${name}`, { limit: 1, reason: name }, own.by('operator'));
    await fleet.admit(name, `${name}-too`, {}, { node: name });
  }
  await eventually(async () => {
    const { payload } = await admin.app.inject({ url: '/api/sessions/history', headers: own.by('viewer') });
    expect((JSON.parse(payload) as { total: number }).total).toBe(4);
  });
});

/** The operation asked about what has this name, with everything that it takes. */
async function asked(operation: DeclaredOperation, name: string, headers: Record<string, string>) {
  const { method, path, query, example } = operation;
  const isNobody = name === NOBODY;
  const url = path
    .replace('/dead-letters/{id}', `/dead-letters/${isNobody ? '1-1' : letter}`)
    .replace('/tenants/{name}', `/tenants/${isNobody ? NOBODY : 'default'}`)
    .replace('{fuse}', `snapshot%2F${name}`)
    .replace('{kind}', 'trunk')
    .replaceAll(/\{\w+\}/g, name);
  const named = ['username', 'user', 'node'].find((one) => one in (query?.shape ?? {}));
  const { version: _, ...body } = (example?.body ?? {}) as Record<string, unknown>;
  const reply = await admin.app.inject({
    method: method as 'GET',
    url: named === undefined ? url : `${url}?${named}=${name}`,
    headers,
    ...(method !== 'GET' && { payload: path.endsWith('/-') ? { ...body, username: name } : body }),
  });
  // Whatever a name or a moment is.
  const text = reply.payload.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'T');
  return { status: reply.statusCode, text, unnamed: text.replaceAll(/hidden|absent/g, 'NAME') };
}

/** All that an admin of the tenant sees of it, but for hours, which pass. */
async function everything(): Promise<unknown[][]> {
  const reads = OPERATIONS.filter(({ method, path }) => method === 'GET' && !/stats|peaks|traffic/.test(path));
  const seen: unknown[][] = [];
  for (const one of reads) {
    const { status, text } = await asked(one, 'hidden', own.by('admin'));
    seen.push([one.path, status, text.split(/(?<=\})|\n/).toSorted()]);
  }
  return seen;
}

it('keys of another tenant are answered as if there were nothing, and change nothing, whichever the operation and the role', async () => {
  const before = await everything();
  for (const path of [
    'active',
    'users',
    'groups',
    'nodes',
    'limits',
    'fuses',
    'dead-letters',
    'history',
    'violations',
  ]) {
    const seen = before.find(([of]) => of === `/api/sessions/${path}`);
    expect([path, JSON.stringify(seen).match(/hidden|buried/)]).not.toEqual([path, null]);
  }
  for (const operation of OPERATIONS) {
    const { handler } = operation;
    for (const role of ROLES) {
      const headers = others.by(role);
      const answer = await asked(operation, 'hidden', headers);
      const nothing = await asked(operation, NOBODY, headers);
      expect([handler, role, answer.status, answer.unnamed]).toEqual([handler, role, nothing.status, nothing.unnamed]);
      expect([handler, role, answer.text.includes('buried')]).toEqual([handler, role, false]);
    }
  }
  expect(await everything()).toEqual(before);
});

it('a key that names another tenant than its own is refused by every operation, whatever its role', async () => {
  for (const operation of OPERATIONS) {
    for (const role of ROLES) {
      const headers = { ...others.by(role), 'berth-tenant': 'default' };
      expect([operation.handler, role, (await asked(operation, 'hidden', headers)).status]).toEqual([
        operation.handler,
        role,
        403,
      ]);
    }
  }
});

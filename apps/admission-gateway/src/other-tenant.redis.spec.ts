import { expect, it } from '@jest/globals';

import { newKey, operationsOfApp, type DeclaredOperation } from '#service-kit';

import { AppModule } from './app.module.js';
import { type Gateway, onOneGateway } from './gateway.fixture.js';

const ROLES = ['node', 'viewer', 'operator', 'admin'] as const;
const own = newKey();
/** Of a tenant where everything has the name that stands for nothing. */
const spare = newKey();
const others = ROLES.map((role) => ({ role, ...newKey() }));
const CONFIG = `
limits: { max_sessions_per_user: 1, session_limit_action: terminate_oldest }
tenants: { acme: {}, spare: {} }
auth:
  keys:
    - { id: own, role: admin, hash: '${own.hash}' }
    - { id: spare, role: admin, tenant: spare, hash: '${spare.hash}' }
${others.map(({ role, hash }) => `    - { id: acme-${role}, role: ${role}, tenant: acme, hash: '${hash}' }`).join('\n')}
`;
/** What is of the process is of no tenant, and a stream of commands would not end. */
const OPERATIONS = operationsOfApp(AppModule).filter(
  ({ tag, handler }) => tag !== 'process' && handler !== 'CommandsController.stream',
);

let gateway: Gateway;
/** Ids of commands: they tell their node by themselves, so that one is needed which is as good in form. */
let commands: Record<'hidden' | 'absent', string>;

const by = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });

/** A tenant in which a session of this name has ended, and its node has not hung it up; returns the id of that command. */
async function scene(name: string, key: { key: string }): Promise<string> {
  await gateway.post(`/v1/nodes/${name}/heartbeat`, { epoch: 1 }, by(key));
  const facts = { user: name, node: name, epoch: 1, metadata: { note: 'buried' }, to: 'sip:buried@example.com' };
  // The first makes room for the second.
  for (const sessionId of [name, `${name}-too`]) await gateway.post('/v1/sessions', { ...facts, sessionId }, by(key));
  const { body } = await gateway.post(`/v1/nodes/${name}/commands:poll`, {}, by(key));
  return (body as { commands: { commandId: string }[] }).commands[0]!.commandId;
}

onOneGateway({ configYaml: CONFIG }, async (suite) => {
  ({ gateway } = suite);
  commands = { hidden: await scene('hidden', own), absent: await scene('absent', spare) };
});

/** The operation asked about the session, user and node of this name, with the body of its example. */
async function asked({ method, path, example }: DeclaredOperation, name: string, headers: Record<string, string>) {
  const body = JSON.stringify(example?.body ?? {}).replaceAll(/a84b4c76e66710@pc33.example.com|alice|b2bua-1/g, name);
  const named = name.startsWith('hidden') ? 'hidden' : 'absent';
  const reply = await gateway.app.inject({
    method: method as 'GET',
    url: path.replace('{commandId}', commands[named]).replaceAll(/\{\w+\}/g, name),
    headers: { ...headers, ...(method !== 'GET' && { 'content-type': 'application/json' }) },
    ...(method !== 'GET' && { payload: body }),
  });
  // Whatever a name or a moment is.
  const text = reply.payload.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d{13}\b/g, 'T');
  return { status: reply.statusCode, text, unnamed: text.replaceAll(/hidden|absent/g, 'NAME') };
}

/** What the tenant has, as its admin sees it. */
async function everything() {
  const sessions = [];
  for (const id of ['hidden', 'hidden-too']) sessions.push((await gateway.get(`/v1/sessions/${id}`, by(own))).body);
  const { body } = await gateway.post('/v1/nodes/hidden/commands:poll', {}, by(own));
  return { sessions, commands: body };
}

it('keys of another tenant are answered as if there were nothing, and change nothing, whichever the operation and the role', async () => {
  const before = await everything();
  expect(before).toMatchObject({
    sessions: [{ state: 'ended' }, { state: 'active', metadata: { note: 'buried' } }],
    commands: { commands: [{ sessionId: 'hidden' }] },
  });
  for (const operation of OPERATIONS) {
    for (const key of others) {
      for (const name of ['hidden', 'hidden-too']) {
        const answer = await asked(operation, name, by(key));
        const nothing = await asked(operation, name.replace('hidden', 'absent'), by(key));
        const called = [operation.handler, key.role, name];
        expect([...called, answer.status, answer.unnamed]).toEqual([...called, nothing.status, nothing.unnamed]);
        expect([...called, answer.text.includes('buried')]).toEqual([...called, false]);
      }
    }
  }
  expect(await everything()).toEqual(before);
});

it('a key that names another tenant than its own is refused by every operation, whatever its role', async () => {
  for (const operation of operationsOfApp(AppModule).filter(({ right }) => right !== 'open')) {
    for (const key of others) {
      const { status } = await asked(operation, 'hidden', { ...by(key), 'berth-tenant': 'default' });
      expect([operation.handler, key.role, status]).toEqual([operation.handler, key.role, 403]);
    }
  }
});

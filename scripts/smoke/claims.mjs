import { deepStrictEqual, strictEqual } from 'node:assert';

const LIMIT = 5;
const USERS = ['bob', 'carol', 'dave', 'erin', 'frank'];
/** Of each user. */
const CALLERS = 20;

/**
 * The first calls of a user of Berth, and one race. Throws at the first answer that is not what the API says.
 *
 * @param {{ gateway: string, admin: string }} urls
 */
export async function tryService({ gateway, admin }) {
  const admit = (/** @type {string} */ sessionId, /** @type {string} */ user) =>
    call('POST', `${gateway}/v1/sessions`, { sessionId, user });

  const first = await admit('call-1', 'alice');
  deepStrictEqual([first.status, first.body.decision], [201, 'admitted']);
  const found = await call('GET', `${gateway}/v1/sessions/call-1`);
  deepStrictEqual([found.status, found.body.user, found.body.state], [200, 'alice', 'active']);
  strictEqual((await call('POST', `${gateway}/v1/sessions/call-1/end`, {})).status, 204, 'the end of call-1');
  const ended = await call('GET', `${gateway}/v1/sessions/call-1`);
  deepStrictEqual([ended.status, ended.body.endReason], [200, 'completed']);

  // A connection for each call that follows, so that none waits for its own and all are decided together.
  const calls = USERS.flatMap((user) =>
    Array.from({ length: CALLERS }, (_, at) => ({ user, id: `race-${user}-${at}` })),
  );
  await Promise.all(calls.map(() => call('GET', `${gateway}/health/live`)));
  const race = await Promise.all(calls.map(async ({ user, id }) => ({ user, ...(await admit(id, user)) })));
  const admitted = race.filter(({ status }) => status === 201);
  for (const user of USERS) {
    const count = admitted.filter((answer) => answer.user === user).length;
    strictEqual(count, LIMIT, `admissions of ${user}, who asked ${CALLERS} times at once`);
  }
  for (const { status, body } of race.filter((answer) => !admitted.includes(answer))) {
    deepStrictEqual([status, body.code, body.sip?.code], [429, 'user-limit-exceeded', 486]);
  }

  const health = await call('GET', `${admin}/health/ready`);
  deepStrictEqual([health.status, health.body.status], [200, 'ok']);
  const active = await call('GET', `${admin}/api/sessions/active`);
  const ids = active.body.sessions.map((/** @type {{ id: string }} */ { id }) => id);
  deepStrictEqual(new Set(ids), new Set(admitted.map(({ body }) => body.session.id)));
}

/**
 * @param {'GET' | 'POST'} method
 * @param {string} url
 * @param {object} [body]
 */
async function call(method, url, body) {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(url, { method, ...(body !== undefined && json) });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
}

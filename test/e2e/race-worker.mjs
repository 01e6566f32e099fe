// One of the processes that race for the same slots. Takes a task as JSON argument, prints one JSON line: how often it was answered what, and
// the ids that were admitted and are not ended. See racers.ts.
//
//   { startAt, urls, bodies, prefix, requests, inFlight, churn }
//   startAt   ms; all workers begin together
import { Agent, request } from 'node:http';

const task = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: task.inFlight });
const answers = new Map();
const live = [];

function post(url, body) {
  return new Promise((resolve) => {
    const fail = () => resolve({ status: 'broken', text: '{}' });
    const payload = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const outgoing = request(url, { method: 'POST', headers, agent }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(chunks).toString() }));
      answer.on('error', fail);
    });
    outgoing.on('error', fail);
    outgoing.end(payload);
  });
}

async function ask(number) {
  const sessionId = `${task.prefix}-${number}`;
  const gateway = (offset) => task.urls[(number + offset) % task.urls.length];
  const template = JSON.stringify(task.bodies[number % task.bodies.length]);
  const { status, text } = await post(`${gateway(0)}/v1/sessions`, {
    ...JSON.parse(template.replaceAll('*', sessionId)),
    sessionId,
  });
  const { policyVersion, limits } = JSON.parse(text);
  const shown = (limits ?? []).map(({ scope, key, max }) => [scope, key.replaceAll(sessionId, '*'), max]);
  const answer = JSON.stringify({ status, policyVersion, limits: shown });
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
  if (status !== 201) return;
  if (Math.random() < task.churn) await post(`${gateway(1)}/v1/sessions/${sessionId}/end`, {});
  else live.push(sessionId);
}

await new Promise((resolve) => setTimeout(resolve, task.startAt - Date.now()));
let next = 0;
await Promise.all(
  Array.from({ length: task.inFlight }, async () => {
    while (next < task.requests) await ask(next++);
  }),
);
agent.destroy();
process.stdout.write(
  `${JSON.stringify({ answers: [...answers].map(([answer, times]) => ({ ...JSON.parse(answer), times })), live })}\n`,
);

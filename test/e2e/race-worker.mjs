// One of the processes that race for the same places. Takes a task as JSON argument, prints one JSON line: answers by status,
// and the ids that it was told are aboard.
//
//   { startAt, urls, users, prefix, requests, inFlight, churn, body }
//   startAt   ms; all workers begin together
//   churn     ends what was admitted with this probability, so that places change hands
import { Agent, request } from 'node:http';

const task = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: task.inFlight });
const statuses = {};
const aboard = [];

function post(url, body) {
  return new Promise((resolve) => {
    const payload = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const outgoing = request(url, { method: 'POST', headers, agent }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
      answer.on('error', () => resolve('broken'));
    });
    outgoing.on('error', () => resolve('broken'));
    outgoing.end(payload);
  });
}

async function ask(number) {
  const sessionId = `${task.prefix}-${number}`;
  const gateway = (offset) => task.urls[(number + offset) % task.urls.length];
  const body = { ...task.body, sessionId, user: task.users[number % task.users.length] };
  const status = await post(`${gateway(0)}/v1/sessions`, body);
  statuses[status] = (statuses[status] ?? 0) + 1;
  if (status !== 201) return;
  if (Math.random() < task.churn) await post(`${gateway(1)}/v1/sessions/${sessionId}/end`, {});
  else aboard.push(sessionId);
}

await new Promise((resolve) => setTimeout(resolve, task.startAt - Date.now()));
let next = 0;
await Promise.all(
  Array.from({ length: task.inFlight }, async () => {
    while (next < task.requests) await ask(next++);
  }),
);
agent.destroy();
process.stdout.write(`${JSON.stringify({ statuses, aboard })}\n`);

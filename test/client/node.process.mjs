// A server that holds sessions by the agent of the client, driven over HTTP. Runs beside the installed package.
import { createServer } from 'node:http';

import { BerthNode } from '@berth/client';

const { port, ...options } = JSON.parse(process.env.BERTH_NODE ?? '{}');
const held = new Map();
const hungUp = [];
const problems = [];

function ready(node) {
  const calls = {
    admit: async ({ sessionId, user, attempt }) => {
      const { mayStart, kind, session } = await node.admit({ sessionId, user, attempt });
      if (mayStart) {
        const startedAt = session?.startedAt ?? new Date().toISOString();
        held.set(sessionId, { id: sessionId, user, attempt, startedAt });
      }
      return { kind };
    },
    end: async ({ sessionId, bytesSent, attempt }) => {
      held.delete(sessionId);
      return await node.end(sessionId, { bytesSent, attempt });
    },
    state: () => ({
      held: [...held.keys()],
      hungUp,
      problems,
      undelivered: node.undelivered,
      epoch: node.epoch,
    }),
    block: ({ ms }) => {
      const until = performance.now() + ms;
      while (performance.now() < until) {
        // The event loop stands still.
      }
      return {};
    },
    drain: () => void node.drain(),
    leave: () => node.leave(),
    close: () => node.close(),
  };
  const serve = async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    try {
      const result = await calls[request.url.slice(1)](JSON.parse(body));
      response.end(JSON.stringify(result ?? {}));
    } catch (error) {
      response.end(JSON.stringify({ kind: 'error', code: error.code, message: error.message }));
    }
  };
  createServer((request, response) => void serve(request, response)).listen(port, '127.0.0.1', () =>
    console.log('listening'),
  );
}

BerthNode.start({
  ...options,
  sessions: () => [...held.values()],
  onTerminate: ({ sessionId, reason }) => {
    if (!held.delete(sessionId)) return 'gone';
    hungUp.push(`${sessionId} ${reason}`);
    return 'done';
  },
  onProblem: ({ code, message }) => problems.push(`${code}: ${message}`),
}).then(ready, (error) => {
  console.log(`refused ${error.code}: ${error.message}`);
  process.exitCode = 1;
});

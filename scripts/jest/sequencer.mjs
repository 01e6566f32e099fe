import TestSequencer from '@jest/test-sequencer';

/**
 * Suites that take longest, most of it waiting: for outages, leases and repetitions in real time. They begin first, so that the short ones run
 * beside them and none of them is left to the end. One that is missing here costs some of that, and nothing else.
 */
const LONG = [
  'history.e2e',
  'history-outages.e2e',
  'history-writers.e2e',
  'history-redis.e2e',
  'kamailio-node.e2e',
  'kamailio.e2e',
  'nodes.e2e',
  'stop.e2e',
  'full-memory.e2e',
  'broken-http.e2e',
  'start.e2e',
  'reload.e2e',
  'rolling-restart.e2e',
  'race.e2e',
  'limits-race.e2e',
  'run-app.e2e',
  'expiry.redis',
  'https.redis',
  'webhooks.redis',
  'commands-stream.redis',
  'erase.redis',
  'export.redis',
  'statistics.history',
  'retention.redis',
  'recovery.redis',
  'inbox.redis',
  'limits.model.redis',
  'snapshot-scale.redis',
];

const rank = ({ path }) => {
  const at = LONG.findIndex((name) => path.endsWith(`/${name}.spec.ts`));
  return at === -1 ? LONG.length : at;
};

export default class LongestFirst extends TestSequencer {
  sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is Jest's method, which returns what it sorted
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}

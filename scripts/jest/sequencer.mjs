import sequencer from '@jest/test-sequencer';

/** @typedef {import('@jest/test-result').Test} Test */

/** Its types are those of a CommonJS module; what an ES module imports is the class itself. */
const TestSequencer = /** @type {typeof sequencer.default} */ (/** @type {unknown} */ (sequencer));

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
  'client/node.e2e',
  'node.model.e2e',
  'client.e2e',
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
  'stats.history',
  'retention.redis',
  'streams.server.recovery.redis',
  'inbox.redis',
  'limits.model.redis',
  'snapshots-store.scale.redis',
];

/** @param {Test} test */
const rank = ({ path }) => {
  const at = LONG.findIndex((name) => path.endsWith(`/${name}.spec.ts`));
  return at === -1 ? LONG.length : at;
};

export default class LongestFirst extends TestSequencer {
  /**
   * @override
   * @param {Test[]} tests
   */
  async sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is Jest's method, which returns what it sorted
    const sorted = await super.sort(tests);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

import { describe, expect, it } from '@jest/globals';

import { pageText } from './worked-example.js';

interface Promised {
  /** What the README says. */
  says: string;
  /** The suite that tries to break it, and words of the title there. */
  suite: string;
  test: string;
}

const ADMIT = 'libs/session-core/src/scripts/admit.redis.spec.ts';
const NODES = 'test/e2e/nodes.e2e.spec.ts';
const GALLERY = 'libs/config/test/gallery';

/** What the README promises beyond its commands, which worked-examples.e2e.spec.ts runs. */
const PROMISES: Promised[] = [
  {
    says: 'a user with five calls gets 486 for the sixth',
    suite: 'test/e2e/kamailio.e2e.spec.ts',
    test: 'refuses the sixth call, and admits the next after one BYE',
  },
  {
    says: 'However many gateways ask at once',
    suite: 'test/e2e/race.e2e.spec.ts',
    test: 'never hold more than the limit',
  },
  { says: 'A retry gets the same answer', suite: ADMIT, test: 'gives a retry the same' },
  { says: 'an ended session stays ended', suite: ADMIT, test: 'refuses an id that has ended' },
  {
    says: 'arrives before its admission is remembered',
    suite: 'libs/session-core/src/scripts/end.redis.spec.ts',
    test: 'remembers an end that comes first',
  },
  {
    says: 'the slots of a proxy that dies are free again within seconds',
    suite: NODES,
    test: 'of a killed node back within its lease and 5 s',
  },
  { says: 'none of its sessions ends', suite: NODES, test: 'loses no session while the store is stopped' },
  {
    says: 'never end many sessions at once',
    suite: 'libs/session-core/src/nodes-store.redis.spec.ts',
    test: 'stops before the first is lost',
  },
  {
    says: 'Every process may be killed at any moment',
    suite: 'apps/session-reaper/src/replicas.e2e.spec.ts',
    test: 'lose nothing when one is killed',
  },
  {
    says: 'gets a command to hang up, again and again',
    suite: 'apps/admission-gateway/src/commands/commands-stream.redis.spec.ts',
    test: 'sends again after 10 s what is not acknowledged',
  },
  {
    says: 'a proxy that asks, beats and hangs up',
    suite: 'test/e2e/kamailio-node.e2e.spec.ts',
    test: 'hangs up a call that an operator ends',
  },
  { says: 'shown as overshoot: emergency calls', suite: ADMIT, test: 'passes a full limit and is shown as overshoot' },
  {
    says: 'a fact already (published, or back with their server)',
    suite: 'libs/session-core/src/scripts/handover.limits.redis.spec.ts',
    test: 'is overshoot exactly from the first',
  },
  { says: 'calls above a limit that was lowered', suite: ADMIT, test: 'shows the rest as overshoot' },
  {
    says: 'and survives a restart',
    suite: 'apps/limits-admin/src/limits/limits.redis.spec.ts',
    test: 'survives a restart of this process',
  },
  { says: 'are read again without a restart', suite: 'test/e2e/reload.e2e.spec.ts', test: 'by SIGHUP, at once' },
  {
    says: 'On any other address it starts only with bearer keys',
    suite: 'libs/service-kit/src/app/run-app.e2e.spec.ts',
    test: 'refuses to serve the network without keys',
  },
  { says: 'not web pages of others', suite: 'test/e2e/doors.e2e.spec.ts', test: 'by DNS rebinding' },
  { says: 'are skipped aloud', suite: 'libs/testing/src/tools.spec.ts', test: 'skips, aloud' },
  {
    says: 'npm start # installs what is missing',
    suite: 'test/e2e/start.e2e.spec.ts',
    test: 'shows a first call that is answered with 201',
  },
  { says: 'limits that span the shards', suite: `${GALLERY}/bad-shards.yaml`, test: 'shards' },
  { says: 'other answers to an outage than `deny`', suite: `${GALLERY}/bad-outage-policy.yaml`, test: 'on_outage' },
];

describe('what the README promises', () => {
  const readme = pageText('README.md').replaceAll(/\s+/g, ' ');

  it.each(PROMISES)('"$says" is held by $suite', ({ says, suite, test }) => {
    expect(readme).toContain(says);
    expect(pageText(suite)).toContain(test);
  });
});

import { expect, it } from '@jest/globals';
import { asyncProperty, assert } from 'fast-check';

import { operationsOfApp } from '#service-kit';
import { inForm, wildRequests } from '#testing';

import { AppModule } from './app.module.js';
import { type Gateway, onOneGateway } from './gateway.fixture.js';

const REQUESTS = inForm({ short: 2_000, long: 20_000 });
/** It would not end. */
const STREAM = '/v1/nodes/{node}/commands';

let gateway: Gateway;

onOneGateway({}, (suite) => {
  ({ gateway } = suite);
});

// That each is answered as its operation declares is held by the fixture.
it('whatever is sent to any operation is answered, and never with a fault of ours', async () => {
  const document = (await gateway.get('/openapi.json')).body as Parameters<typeof wildRequests>[0];
  const operations = operationsOfApp(AppModule).filter(({ path }) => path !== STREAM);
  const each = Math.ceil(REQUESTS / operations.length);
  for (const { method, path } of operations) {
    await assert(
      asyncProperty(wildRequests(document, method, path), async ({ url, body }) => {
        const payload =
          body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
        const { statusCode } = await gateway.app.inject({ method: method as 'POST', url, ...payload });
        expect(statusCode).toBeLessThan(500);
      }),
      { numRuns: each },
    );
  }
}, 600_000);

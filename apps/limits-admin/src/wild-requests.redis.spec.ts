import { expect, it } from '@jest/globals';
import { asyncProperty, assert } from 'fast-check';

import { operationsOfApp } from '#service-kit';
import { inForm, wildRequests } from '#testing';

import { forWholeSuite } from './admin-suite.fixture.js';
import { AppModule } from './app.module.js';
import { type Admin } from './limits-admin.fixture.js';

const REQUESTS = inForm({ short: 2_000, long: 20_000 });

let admin: Admin;

forWholeSuite(async (suite) => {
  admin = await suite.start();
});

// That each is answered as its operation declares is held by the fixture.
it('whatever is sent to any operation is answered, and never with a fault of ours', async () => {
  const document = (await admin.app.inject('/openapi.json')).json<Parameters<typeof wildRequests>[0]>();
  const operations = operationsOfApp(AppModule);
  const each = Math.ceil(REQUESTS / operations.length);
  for (const { method, path } of operations) {
    await assert(
      asyncProperty(wildRequests(document, method, path), async ({ url, body }) => {
        const payload =
          body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
        const { statusCode, json } = await admin.app.inject({ method: method as 'POST', url, ...payload });
        // History is off here.
        const isFault =
          statusCode >= 500 && !(statusCode === 503 && json<{ code: string }>().code === 'history-unavailable');
        expect(isFault).toBe(false);
      }),
      { numRuns: each },
    );
  }
}, 600_000);

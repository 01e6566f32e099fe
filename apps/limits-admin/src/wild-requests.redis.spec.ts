import { expect, it } from '@jest/globals';

import { operationsOfApp } from '#service-kit';
import { askWildly, inForm, type Document } from '#testing';

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
  const document = (await admin.app.inject('/openapi.json')).json<Document>();
  await askWildly(document, operationsOfApp(AppModule), REQUESTS, async (request) => {
    const { statusCode, json } = await admin.app.inject(request);
    // History is off here.
    const isFault =
      statusCode >= 500 && !(statusCode === 503 && json<{ code: string }>().code === 'history-unavailable');
    expect(isFault).toBe(false);
  });
}, 600_000);

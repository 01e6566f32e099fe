import { expect, it } from '@jest/globals';

import { operationsOfApp } from '#service-kit';
import { askWildly, inForm, type Document } from '#testing';

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
  const document = (await gateway.get('/openapi.json')).body as unknown as Document;
  const operations = operationsOfApp(AppModule).filter(({ path }) => path !== STREAM);
  await askWildly(document, operations, REQUESTS, async (request) => {
    const { statusCode } = await gateway.app.inject(request);
    expect(statusCode).toBeLessThan(500);
  });
}, 600_000);

#!/usr/bin/env node
// Writes docs/openapi, and the tables in docs/api, from what the handlers declare: `npm run build`, then this.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { format } from 'prettier';

import { fillReference, openApiDocument, operationsOfApp } from '#service-kit';

const docs = new URL('../docs/', import.meta.url);
const fill = (name, operations) => {
  const page = new URL(`api/${name}`, docs);
  writeFileSync(page, fillReference(readFileSync(page, 'utf8'), operations));
};

const { AppModule, API_TITLE } = await import('../dist/apps/admission-gateway/src/app.module.js');
const operations = operationsOfApp(AppModule);
const document = JSON.stringify(openApiDocument(API_TITLE, operations));
mkdirSync(new URL('openapi/', docs), { recursive: true });
writeFileSync(
  new URL('openapi/admission-gateway.json', docs),
  await format(document, { parser: 'json', printWidth: 120 }),
);
fill('servers.md', operations);
fill('operators.md', []);

#!/usr/bin/env node
// Writes docs/openapi, and the tables in docs/api, from what the handlers declare: `npm run build`, then this.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { format } from 'prettier';

import { fillReference, openApiDocument, operationsOfApp } from '#service-kit';

const PAGES = { 'admission-gateway': 'servers.md', 'limits-admin': 'operators.md' };
const docs = new URL('../docs/', import.meta.url);
const fill = (name, operations) => {
  const page = new URL(`api/${name}`, docs);
  writeFileSync(page, fillReference(readFileSync(page, 'utf8'), operations));
};

mkdirSync(new URL('openapi/', docs), { recursive: true });
for (const [app, page] of Object.entries(PAGES)) {
  const { AppModule, API_TITLE } = await import(`../dist/apps/${app}/src/app.module.js`);
  const operations = operationsOfApp(AppModule);
  const document = JSON.stringify(openApiDocument(API_TITLE, operations));
  writeFileSync(new URL(`openapi/${app}.json`, docs), await format(document, { parser: 'json', printWidth: 120 }));
  fill(page, operations);
}

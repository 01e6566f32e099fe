#!/usr/bin/env node
// `npm run tenant -- show [tenant] | rekey [tenant]`: how the books of a tenant are kept. See docs/operations.md; --help tells more.
import './lib/node-version.mjs';
import { importBuilt } from './lib/built.mjs';

const { tenantCommand } = await importBuilt('apps/limits-admin/src/tenants/tenant-command.js');
process.exitCode = await tenantCommand({ words: process.argv.slice(2), say: console.log, complain: console.error });

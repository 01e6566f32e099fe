#!/usr/bin/env node
// Writes docs/openapi, and the tables in docs/api, from what the handlers declare: `npm run build`, then this.
import { writeGenerated } from './lib/generated.mjs';

await writeGenerated('npm run api-reference');

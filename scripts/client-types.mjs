#!/usr/bin/env node
// Writes the types of libs/client from what the handlers of admission-gateway declare: `npm run build`, then this.
import { writeGenerated } from './lib/generated.mjs';

await writeGenerated('npm run client-types');

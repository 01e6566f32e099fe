#!/usr/bin/env node
// Writes docs/configuration.md from the schemas of the configuration: `npm run build`, then this.
import { writeGenerated } from './lib/generated.mjs';

await writeGenerated('npm run config-reference');

#!/usr/bin/env node
// Writes docs/configuration.md from the schemas of the configuration: `npm run build`, then this.
import { writeFileSync } from 'node:fs';

import { configReference } from '#config';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configReference());

#!/usr/bin/env node
// Writes what the gateway serves gRPC by, from the files in protos/.
import { writeGenerated } from './lib/generated.mjs';

await writeGenerated('npm run descriptor-set');

// Part of `npm run check`: the .proto files are written as buf has them, and clients of what was released (protos/released.binpb) go on working.
import { buf } from '../lib/buf.mjs';

const CHECKS = [['lint'], ['format', '--diff', '--exit-code'], ['breaking', '--against', 'released.binpb']];

for (const check of CHECKS) {
  await buf(...check).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}

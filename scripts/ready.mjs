// For the health checks of containers: `node scripts/ready.mjs 8081` ends with 0 where the app on that port of this machine is ready, with 1 and
// the reason where it is not. It serves HTTP, or where `http.tls` is configured HTTPS.
import './lib/node-version.mjs';

import { readiness } from './lib/ready.mjs';

const [port = ''] = process.argv.slice(2);
if (!/^\d{1,5}$/.test(port)) {
  console.error('Name the port: node scripts/ready.mjs 8081');
  process.exit(1);
}

const address = `127.0.0.1:${port}`;
const answer = await readiness(`http://${address}`)
  .catch((plain) => readiness(`https://${address}`).catch(() => Promise.reject(plain)))
  .catch((error) => ({ ok: false, status: 'no answer', text: error.message }));
if (!answer.ok) console.error(`${address}: ${answer.status} ${answer.text}`);
process.exit(answer.ok ? 0 : 1);

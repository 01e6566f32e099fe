// Has a history file open in a process of its own until it has to end: `node writer.fixture.mjs <url> [rows]`. Says `open`, writes that many
// rows, says `written`; without a number it goes on writing, and says how far it is.
import { setImmediate } from 'node:timers/promises';

import { HistoryDatabase, historyEvent } from '#session-history';

const [url, rows] = process.argv.slice(2);
const most = rows === undefined ? Infinity : Number(rows);
const database = await HistoryDatabase.open({ url });
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
console.log('open');
/** The same rows each time: written again they change nothing. */
const start = Date.UTC(2026, 0, 1);
for (let n = 0; n < most && !stop.signal.aborted; n += 100) {
  const batch = Array.from({ length: Math.min(100, most - n) }, (_, i) => refusal(n + i));
  await database.apply(batch);
  if (most === Infinity) console.log(`at ${n}`);
  await setImmediate();
}
console.log('written');
const wait = setInterval(() => {
  if (!stop.signal.aborted) return;
  clearInterval(wait);
  void database.close();
}, 20);

/** As it stands in the outbox. */
function refusal(n) {
  const limits = JSON.stringify([{ scope: 'user', key: `u${n % 100}`, max: 1, active: 1 }]);
  const facts = { sourceIp: '192.0.2.10', sourcePort: '40000', destination: 'example.com:443', protocol: 'socks' };
  const of = { id: `r${n}`, type: 'session.rejected', tenant: 'default', at: String(start + n) };
  const fields = { ...of, ...facts, sessionId: `s${n}`, user: `u${n % 100}`, limits };
  return historyEvent({ position: `${start + n}-0`, shard: 0, fields });
}

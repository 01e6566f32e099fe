// Erases a person from the history at a URL, and says so when it is at it. Killed in the middle.
import { HistoryDatabase } from '#session-history';

const [url, user] = process.argv.slice(2);
const database = await HistoryDatabase.open({ url });
const asked = { tenant: 'default', user, mode: 'pseudonymise', untilMs: Date.now() * 2, by: 'boss' };
const erasure = await database.beginErasure(asked);
const stop = new AbortController();
const first = database.erase(erasure, stop.signal);
setImmediate(() => stop.abort());
await first;
process.stdout.write('begun\n');
await database.erase(erasure, new AbortController().signal);
setInterval(() => {}, 1_000);

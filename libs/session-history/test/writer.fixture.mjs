// A writer in a process of its own: `node writer.fixture.mjs <url> <file of events> <batch size>`. With no events it opens and closes.
import { readFile } from 'node:fs/promises';

import { HistoryDatabase } from '#session-history';

const [url, file, size] = process.argv.slice(2);
const database = await HistoryDatabase.open({ url });
console.log('open');
if (file) {
  const events = JSON.parse(await readFile(file, 'utf8'));
  for (let at = 0; at < events.length; at += Number(size)) {
    await database.apply(events.slice(at, at + Number(size)));
    console.log(`applied ${at}`);
  }
}
await database.close();
console.log('closed');

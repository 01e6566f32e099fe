// Exports rows of a history file in a process of its own, so that its memory is that of an export and of nothing else. Arguments: URL,
// format, how many rows. Writes one line: `{"rows", "seconds", "peakBytes"}`.
import { HistoryDatabase, type ExportFormat } from '#session-history';

export interface Exported {
  rows: number;
  seconds: number;
  /** The most memory that was resident after any piece. (What the system tells of children begins with what their parent had.) */
  peakBytes: number;
}

const [url = '', format = 'csv', wanted = '0'] = process.argv.slice(2);
const database = await HistoryDatabase.open({ url });
let [rows, peakBytes] = [0, 0];
const begin = performance.now();
for await (const chunk of database.export('default', {}, format as ExportFormat)) {
  rows += chunk.rows;
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  if (rows >= Number(wanted)) break;
}
const seconds = (performance.now() - begin) / 1_000;
await database.close();
const exported: Exported = { rows, seconds, peakBytes };
process.stdout.write(`${JSON.stringify(exported)}\n`);

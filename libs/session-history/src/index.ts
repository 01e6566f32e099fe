export { historyAddress, type HistoryAddress } from './address.js';
export { BackupError, HistoryUnavailableError, type UnavailableReason } from './errors.js';
export { csvLine, type CsvValue } from './export/csv.js';
export type { ExportChunk, ExportFormat, Revisions } from './export/export.js';
export { backUpFile, unfinishedBackup } from './file/back-up.js';
export { checkFile, type OnBegin, type WholeFile } from './file/look-through.js';
export { restoreFile, type Restored } from './file/restore.js';
export { HistoryDatabase, type HistoryOptions } from './history-database.js';
export { historyEvent, type OutboxEntry } from './model/event.mapper.js';
export type {
  LiveEvent,
  EndedEvent,
  FullLimit,
  GapEvent,
  HistoryEvent,
  Level,
  LevelsEvent,
  LostEvent,
  RefusedEvent,
  Totals,
  TrafficEvent,
} from './model/event.js';
export { rowWith } from './model/merge.js';
export { STATUSES, type SessionRow, type Status } from './model/row.js';
export type { Extent } from './read/extent.js';
export type { Gap } from './read/gaps.js';
export type { HistoryFilter, Sort } from './read/filter.js';
export {
  MAX_PAGE_SIZE,
  type HistoryPage,
  type HistoryQuery,
  type Violation,
  type ViolationPage,
} from './read/history.js';
export type { HourPeak, PeakOf } from './read/peaks.js';
export type { Stats } from './read/stats.js';
export type { HourTraffic } from './read/traffic.js';
export type { Erased, Erasure, ErasureMode, ErasureRequest } from './write/erase.js';
export type { RowChange } from './write/ledger.js';

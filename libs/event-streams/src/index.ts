export type { Connect } from './connection.js';
export type { StreamBatchHandler } from './dispatcher.js';
export type { EntryResult, StreamEntry } from './entry.js';
export {
  ClosedError,
  DeadLetterError,
  InvalidEventError,
  InvalidOptionsError,
  NoAnswerError,
  StreamsDoNotAnswerError,
} from './errors.js';
export { groupBehindMs, groupLag, type GroupLag } from './group-lag.js';
export { groupsKey } from './keys.js';
export type { GroupLoss, StreamsObserver } from './observer.js';
export type { StreamsServerOptions } from './options.js';
export { StreamsClient, type EventFields, type StreamsClientOptions } from './streams.client.js';
export { StreamsContext, StreamsServer } from './streams.server.js';
export { trimStream, type Trimmed, type TrimOptions } from './trim-stream.js';

export { EventInbox, type Arrival, type EventResult } from './event-inbox.js';

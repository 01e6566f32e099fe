import { randomUUID } from 'node:crypto';

import { ClientProxy, type ReadPacket } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';

import { Connection, type Connect } from './connection.js';
import { InvalidEventError, InvalidOptionsError, StreamsDoNotAnswerError } from './errors.js';

/** What an event says. `id` tells a repeat from another event; one is made up where it is missing. `v` and `type` are the transport's. */
export type EventFields = Readonly<Record<string, string | number>>;

export interface StreamsClientOptions {
  /** Opens the connection that the client publishes on. */
  connect: Connect;
  /** The stream of an event. */
  route: (type: string, fields: EventFields) => string;
  /** The last bound of a stream (approximate: whole nodes go), in case that nobody trims it. Above the trimmer's, which raises an alarm. */
  maxLength: number;
}

/**
 * Publishes events to Redis Streams: the other side of `StreamsServer`.
 *
 * `emit(type, fields)` takes `EventFields`, adds the event to its stream and yields the entry's id. It errors with
 * `InvalidEventError`, or with what ioredis rejects with; then the event may have been added all the same, and is repeated with
 * the same `id`.
 */
export class StreamsClient extends ClientProxy {
  private readonly connection: Connection;

  /** Throws `InvalidOptionsError`. Connects with the first event, or with `connect`. */
  constructor(private readonly options: StreamsClientOptions) {
    super();
    if (!(Number.isInteger(options.maxLength) && options.maxLength >= 1)) {
      throw new InvalidOptionsError('maxLength must be an integer of at least 1');
    }
    this.connection = new Connection(options.connect);
  }

  /** Rejects when Redis does not answer. */
  async connect(): Promise<void> {
    await this.connection.run(() => Promise.resolve());
  }

  /** Closes the connection for good: later events are rejected with `ClosedError`. */
  close(): void {
    this.connection.close();
  }

  unwrap(): never {
    throw new Error('StreamsClient shares no client: open one with connect');
  }

  /** Refused with `StreamsDoNotAnswerError`: streams take events. */
  override send<T>(..._refused: unknown[]): Observable<T> {
    return throwError(() => new StreamsDoNotAnswerError());
  }

  protected override async dispatchEvent<T>({ pattern, data }: ReadPacket): Promise<T> {
    const type = checkType(pattern);
    const fields = checkFields(data);
    const { id = randomUUID(), ...rest } = fields;
    const args = [this.options.route(type, fields), 'MAXLEN', '~', this.options.maxLength, '*'];
    args.push('v', '1', 'id', id, 'type', type, ...Object.entries(rest).flat());
    return (await this.connection.run((client) => client.call('XADD', args))) as T;
  }

  protected override publish(): never {
    throw new StreamsDoNotAnswerError();
  }
}

function checkType(pattern: unknown): string {
  if (typeof pattern === 'string' && pattern !== '') return pattern;
  throw new InvalidEventError('The type of an event is a string that is not empty');
}

function checkFields(data: unknown): EventFields {
  if (typeof data !== 'object' || data === null) throw new InvalidEventError('An event is an object of fields');
  for (const [name, value] of Object.entries(data)) {
    if (name === 'v' || name === 'type') throw new InvalidEventError(`The field ${name} belongs to the transport`);
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new InvalidEventError(`The field ${name} is neither a string nor a number`);
    }
  }
  return data as EventFields;
}

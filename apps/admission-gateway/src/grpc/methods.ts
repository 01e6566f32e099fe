import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';

import type { Principal, Right } from '#service-kit';

import type { OpenCall } from './open-call.js';
import type { Message } from './session.mapper.js';

/** A call with one request and one answer, as its method sees it. */
export interface UnaryCall {
  readonly caller: Principal;
  readonly message: Message;
  /** Calls `takeBack`, once, if the answer cannot reach the caller: it hung up, or its deadline is over. Call it before the answer is given. */
  readonly ifUndelivered: (takeBack: () => void) => void;
}

/** A call with one request and a stream of answers. What its method throws before the first answer ends it. */
export interface WatchCall {
  readonly caller: Principal;
  readonly message: Message;
  readonly open: OpenCall;
  readonly out: ServerWritableStream<Message, Message>;
}

/** A call with a stream of requests and one of answers. */
export interface TwoWayCall {
  readonly caller: Principal;
  readonly open: OpenCall;
  readonly stream: ServerDuplexStream<Message, Message>;
}

/** What calls of a method do, by its kind. */
type Does =
  | { unary: (call: UnaryCall) => Promise<Message> }
  | { watch: (call: WatchCall) => void }
  | { twoWay: (call: TwoWayCall) => void };

/** A method of a service: the right that its calls need (`open`: anybody may, and there may be no caller), and what they do. */
export type Method = { right: Right | 'open' } & Does;

/** The methods of one service, by name. */
export type Methods = Record<string, Method>;

import type { Principal, Right } from '#service-kit';

import type { Message } from './session.mapper.js';

/** A call with one request and one answer, as its method sees it. */
export interface UnaryCall {
  readonly caller: Principal;
  readonly message: Message;
  /** Calls `takeBack`, once, if the answer cannot reach the caller: it hung up, or its deadline is over. Call it before the answer is given. */
  readonly ifUndelivered: (takeBack: () => void) => void;
}

/** A method of a service: the right that its calls need (`open`: anybody may), and what they do. */
export interface UnaryMethod {
  right: Right | 'open';
  unary: (call: UnaryCall) => Promise<Message>;
}

/** The methods of one service, by name. */
export type Methods = Record<string, UnaryMethod>;

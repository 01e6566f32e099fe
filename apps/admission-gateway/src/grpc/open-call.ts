import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';

import type { Principal } from '#service-kit';

/** A call from its headers to its end. */
export class OpenCall {
  /** Known before its method sees it; null where anybody may call. */
  caller: Principal | null = null;
  private readonly listeners: ((answered: boolean) => void)[] = [];
  private answered = false;
  private over = false;

  constructor(
    /** `/package.Service/Method`. */
    readonly path: string,
    private readonly call: ServerInterceptingCallInterface,
  ) {}

  /** Nobody waits for its answer any more: the caller hung up, or its deadline is over. */
  get isOver(): boolean {
    return this.over;
  }

  /** Calls the listener at the end of the call, at once where that has been; it learns whether the call had its status. */
  whenOver(listener: (answered: boolean) => void): void {
    if (this.over) listener(this.answered);
    else this.listeners.push(listener);
  }

  ifUndelivered(takeBack: () => void): void {
    this.whenOver((answered) => {
      if (!answered) takeBack();
    });
  }

  /** Its status goes out; grpc-js gives one to the connection once the message before it was handed to the operating system. */
  answer(): void {
    this.answered = true;
  }

  /** The call has ended, one way or another. */
  close(): void {
    this.over = true;
    for (const listener of this.listeners.splice(0)) listener(this.answered);
  }

  /** Ends the call whatever its method does. */
  end(status: Parameters<ServerInterceptingCallInterface['sendStatus']>[0]): void {
    this.answer();
    this.call.sendStatus(status);
  }
}

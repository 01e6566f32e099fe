import type { ServerDuplexStream } from '@grpc/grpc-js';

import type { Message } from './session.mapper.js';
import type { OpenCall } from './open-call.js';

/** Under way at once on one stream, an answer that its client has not taken yet counted; then no more is read, which holds the client back. */
const MAX_IN_FLIGHT = 256;

/** The answer to one request, and what to do should it not reach the client. */
export interface Decided {
  answer: Message;
  takeBack?: () => void;
}

/** One open stream of decisions. */
export class DecideStream {
  private readonly undelivered = new Set<() => void>();
  /** The last call of each session that has some under way. */
  private readonly sessions = new Map<unknown, Promise<void>>();
  private inFlight = 0;
  private ending = false;

  constructor(
    private readonly stream: ServerDuplexStream<Message, Message>,
    private readonly open: OpenCall,
    /** Never rejects: what fails is an answer too. */
    private readonly decide: (request: Message) => Promise<Decided>,
  ) {}

  run(): void {
    const { stream, open } = this;
    stream.on('data', (request: Message) => void this.take(request));
    stream.on('end', () => this.end());
    open.whenOver(() => {
      this.ending = true;
      for (const takeBack of this.undelivered) takeBack();
      this.undelivered.clear();
    });
  }

  /** Reads no more; ends when what was read is answered. */
  end(): void {
    this.ending = true;
    this.stream.pause();
    this.endIfDone();
  }

  private async take(request: Message): Promise<void> {
    this.inFlight += 1;
    if (this.inFlight >= MAX_IN_FLIGHT) this.stream.pause();
    const session = sessionOf(request);
    const deciding = this.inOrder(session, request);
    this.sessions.set(session, deciding);
    await deciding;
    if (this.sessions.get(session) === deciding) this.sessions.delete(session);
  }

  /** After the calls of the same session that came before. */
  private async inOrder(session: unknown, request: Message): Promise<void> {
    await this.sessions.get(session);
    const { answer, takeBack } = await this.decide(request);
    if (this.open.isOver) takeBack?.();
    else this.send({ number: request['number'], ...answer }, takeBack);
  }

  private send(answer: Message, takeBack?: () => void): void {
    if (takeBack !== undefined) this.undelivered.add(takeBack);
    this.stream.write(answer, (error: Error | null | undefined) => {
      // Of one that was not written the end of the call takes back what it was about.
      if (error) return;
      if (takeBack !== undefined) this.undelivered.delete(takeBack);
      this.inFlight -= 1;
      if (this.ending) this.endIfDone();
      else if (this.stream.isPaused()) this.stream.resume();
    });
  }

  private endIfDone(): void {
    if (this.inFlight === 0 && !this.stream.writableEnded) this.stream.end();
  }
}

function sessionOf({ admit, end }: Message): unknown {
  return ((admit ?? end) as Message | undefined)?.['sessionId'] ?? Symbol('no session');
}

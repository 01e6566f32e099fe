const LINE_EVERY_MS = 1_000;

/** Lines of one kind, at most one a second: what comes meanwhile is gathered, and written with the next one. */
export class SpacedLines {
  private timer: NodeJS.Timeout | undefined;

  /** `write` writes a line of what has gathered; false where that is nothing. */
  constructor(private readonly write: () => boolean) {}

  /** Something has gathered. */
  due(): void {
    if (this.timer !== undefined || !this.write()) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.due();
    }, LINE_EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/** How full Redis is, of its masters the fullest, as this process sees it once a second with its readiness: nothing more is asked for it. */
export class RedisMemory {
  private last = 0;
  private growth = 0;

  /** The share of `maxmemory` that will be used when it is seen next, if it goes on as it did; 0 without a `maxmemory`. */
  get expectedShare(): number {
    return this.last + Math.max(0, this.growth);
  }

  saw(share: number): void {
    this.growth = this.last === 0 ? 0 : share - this.last;
    this.last = share;
  }
}

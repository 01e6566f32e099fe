import type { CollidingLimits } from '../model/limits-rekey.js';

/** So many names are listed of each kind; the numbers count all. */
const MAX_NAMED = 20;

/** Something counted, with the first of its names. */
export class Listed {
  count = 0;
  readonly first: string[] = [];

  add(name: string): void {
    this.count++;
    if (this.first.length < MAX_NAMED && !this.first.includes(name)) this.first.push(name);
  }
}

/** What a change of the identity rules has come to; of one that was interrupted, what its last run did. */
export class RekeyReport {
  /** Live sessions that were looked at. */
  sessions = 0;
  /** Those that have another user now, in the same shard, and in another one. */
  renamed = 0;
  moved = 0;
  /** Users without a domain although domains count now, of so many sessions: nothing says which domain. */
  readonly withoutDomain = new Listed();
  /** Sessions that ended because another one lives under their id in the shard of their new user, or because their node's run was over. */
  readonly ended = new Listed();
  /** Records that could not be read; they are as they were. */
  readonly unreadable = new Listed();
  /** Users who are several now, each with these names: some of their sessions were named outright, or by a From of another domain. */
  readonly splits = new Listed();
  /** Users with more sessions than their limit allows now. */
  readonly overshoot = new Listed();
  /** By how many sessions. */
  excess = 0;
  limits: CollidingLimits[] = [];
  /** Limits of users without a domain, whose domain nothing says: they hold for calls without one. */
  readonly limitsWithoutDomain = new Listed();
}

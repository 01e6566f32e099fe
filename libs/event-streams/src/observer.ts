import { messageOf } from './errors.js';
import type { GroupLag } from './group-lag.js';

/** Entries that the hard bound took from a group. */
export interface GroupLoss {
  group: string;
  /** Never delivered to the group. */
  unread: number;
  /** Delivered, not acknowledged; its consumers will report them as `entriesLost` too, when they come to them. */
  pending: number;
}

/**
 * Gets what an operator should see, for logs and metrics; a server or trimmer takes any part of it. Called in the middle of the
 * work: it must be quick. What it throws becomes a process warning and stops nothing.
 */
export interface StreamsObserver {
  /** An entry went to the dead-letter stream. */
  deadLettered(fact: { stream: string; streamId: string; type: string; deliveries: number; reason: string }): void;
  /** An entry was not done and will be delivered again. */
  retrying(fact: { stream: string; streamId: string; type: string; deliveries: number; reason: string }): void;
  /** The group was gone and was made anew from the beginning of the stream: all that is in the stream comes again. */
  groupRecreated(fact: { stream: string; group: string }): void;
  /** Entries were trimmed away while they were pending in this group: nobody will ever handle them. */
  entriesLost(fact: { stream: string; group: string; streamIds: string[] }): void;
  /** Entries of dead consumers were taken over. */
  claimed(fact: { stream: string; count: number }): void;
  /** Reading or settling failed and is tried again until it works; reported once, until `recovered`. */
  readFailed(fact: { streams: readonly string[]; error: unknown }): void;
  /** It works again. */
  recovered(fact: { streams: readonly string[]; afterMs: number }): void;
  /** How far behind the group is, at every tick of a third of `claimIdleMs`; it is measured only if somebody listens. */
  lag(fact: { stream: string; group: string; lag: GroupLag }): void;
  /** Entries were trimmed: `behind` that every registered group was done with, `cut` by the hard bound. */
  trimmed(fact: { stream: string; behind: number; cut: number }): void;
  /** An alarm: the hard bound, or memory that was short, cut entries that registered groups still needed. */
  boundReached(fact: { stream: string; maxLength: number; short: boolean; losses: GroupLoss[] }): void;
  /** Groups were not seen for the age limit; they hold back trimming no longer. */
  groupsAgedOut(fact: { stream: string; groups: string[] }): void;
}

export type Tell = <Name extends keyof StreamsObserver>(name: Name, fact: Parameters<StreamsObserver[Name]>[0]) => void;

/** A way to tell the observer that never throws. */
export function teller(observer: Partial<StreamsObserver>): Tell {
  return (name, fact) => {
    try {
      (observer[name] as ((one: typeof fact) => void) | undefined)?.call(observer, fact);
    } catch (error) {
      process.emitWarning(`A streams observer failed at ${name}: ${messageOf(error)}`);
    }
  };
}

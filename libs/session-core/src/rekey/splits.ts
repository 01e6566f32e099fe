import type { Listed } from './report.js';

/** So many names of one user are written out. */
const MAX_NAMES = 5;

/** Which users go on under several names. */
export class Splits {
  /** The first name of everybody. */
  private readonly names = new Map<string, string>();
  /** All names of those who have more than one. */
  private readonly several = new Map<string, Set<string>>();

  /** A session of this user goes on under this name. */
  add(user: string, name: string): void {
    const first = this.names.get(user);
    if (first === undefined) this.names.set(user, name);
    else if (first !== name) this.several.set(user, (this.several.get(user) ?? new Set([first])).add(name));
  }

  listIn(report: Listed): void {
    for (const [user, names] of this.several) {
      const sorted = [...names].toSorted();
      const more = sorted.length > MAX_NAMES ? ', …' : '';
      report.add(`${user} (${sorted.slice(0, MAX_NAMES).join(', ')}${more})`);
    }
  }
}

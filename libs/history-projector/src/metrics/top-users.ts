/** So many users' totals are remembered; among more, those with the least are forgotten and begin anew. About 3 MB. */
const REMEMBERED = 20_000;
/** A user who is shown makes room only for one who has so much more. */
const CLEARLY_MORE = 1.1;

/**
 * Running totals of users, of which the largest are shown.
 *
 * Who is shown stays shown until somebody else has clearly more, and totals only grow: so those who are shown change the less often the longer
 * they are counted, and one who comes back has gone on meanwhile. To a rate over time that is one series with a gap.
 */
export class TopUsers {
  private readonly totals = new Map<string, number[]>();
  private readonly shown = new Set<string>();

  /** At most `most` are shown. */
  constructor(
    private readonly most: number,
    private readonly remembered = REMEMBERED,
  ) {}

  /** Adds to each part of the user's total; the rank is their sum. Nothing is added by zeros. */
  add(user: string, ...amounts: number[]): void {
    if (this.most === 0 || sum(amounts) === 0) return;
    const parts = this.totals.get(user);
    if (parts) amounts.forEach((amount, part) => (parts[part]! += amount));
    else this.totals.set(user, amounts);
    if (this.totals.size > Math.max(this.remembered, 2 * this.most)) this.forget();
  }

  /** The users to be shown, and the parts of their totals. */
  top(): [user: string, parts: readonly number[]][] {
    const rising = this.notShown();
    for (const user of rising.splice(0, this.most - this.shown.size)) this.shown.add(user);
    const falling = [...this.shown].toSorted((a, b) => this.rank(a) - this.rank(b));
    for (const [at, user] of rising.entries()) {
      const least = falling[at];
      if (least === undefined || this.rank(user) < CLEARLY_MORE * this.rank(least)) break;
      this.shown.delete(least);
      this.shown.add(user);
    }
    return [...this.shown].map((user) => [user, this.totals.get(user)!]);
  }

  /** Those with the most first. */
  private notShown(): string[] {
    const users = [...this.totals.keys()].filter((user) => !this.shown.has(user));
    return users.toSorted((a, b) => this.rank(b) - this.rank(a));
  }

  private forget(): void {
    const users = this.notShown();
    for (const user of users.slice(Math.floor(users.length / 2))) this.totals.delete(user);
  }

  private rank(user: string): number {
    return sum(this.totals.get(user) ?? []);
  }
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, amount) => all + amount, 0);
}

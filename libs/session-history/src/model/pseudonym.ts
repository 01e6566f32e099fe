import { randomUUID } from 'node:crypto';

import type { FullLimit } from './event.js';
import type { SessionRow } from './row.js';

/** A name that nothing leads back from: it is made up, not made from anything. */
export const newPseudonym = (): string => `erased-${randomUUID()}`;

/**
 * The row with nothing left of its person: another name, an id of its own, and nothing of what the person's device sent. What is summed (times,
 * traffic, destination, groups, outcome) stays, so that all sums but those of the name are as they were.
 */
export function pseudonymised(row: SessionRow, pseudonym: string): SessionRow {
  const id = newPseudonym();
  return {
    ...row,
    session_id: id,
    user: pseudonym,
    source_ip: '',
    source_port: 0,
    from_uri: null,
    to_uri: null,
    correlation_id: null,
    metadata: null,
    note: '',
    acl_rule_matched: mentions(row.acl_rule_matched, row.user) ? null : row.acl_rule_matched,
    limits: row.limits === null ? null : withoutNames(row.limits, pseudonym),
    event_id: eventId(row, id),
  };
}

/** A server may name its rules after people. */
function mentions(text: string | null, user: string): boolean {
  return text !== null && text.toLowerCase().includes(user.toLowerCase());
}

/** A refusal that named no session has its event's id as its own, and goes on having one id. */
function eventId({ session_id, event_id }: SessionRow, id: string): string {
  if (event_id === '') return '';
  return event_id === session_id ? id : newPseudonym();
}

/** Limits of groups and of the total name nobody; those of users and addresses do. */
function withoutNames(json: string, pseudonym: string): string {
  const limits = JSON.parse(json) as FullLimit[];
  return JSON.stringify(
    limits.map((limit) => {
      if (limit.scope === 'group' || limit.scope === 'total') return limit;
      return { ...limit, key: limit.scope === 'user' ? pseudonym : '' };
    }),
  );
}

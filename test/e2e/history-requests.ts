import type { AdmissionRequest } from '#session-core';

/** A number from 0 on, below this one. */
export type Random = (below: number) => number;

export const USERS = Array.from({ length: 80 }, (_, n) => `user-${n}`).concat(
  '=cmd|x',
  "d'Arc, jr",
  'ünïcode\u{1F600}',
);
export const NODES = ['b2bua-1', 'b2bua-2', 'b2bua-3'];
export const POOLS = ['pool:a', 'pool:b', 'pool:c'];
/** Longer than any test. */
export const LONG_MS = 86_400_000;

/** What somebody may ask for; some of it is due within seconds. */
export function requestOf(id: string, user: string, groups: string[], random: Random): AdmissionRequest {
  const reserved = random(3) === 0;
  return {
    sessionId: id,
    attempt: 1,
    user,
    node: NODES[random(NODES.length)] ?? null,
    epoch: null,
    state: reserved ? 'reserved' : 'active',
    priority: 'normal',
    groups,
    facts: {
      from: '"A, \'B\'" <sip:a@x>',
      to: null,
      sourceIp: '192.0.2.1',
      sourcePort: 5_060,
      destination: random(2) === 0 ? null : `198.51.100.${random(20)}:5060`,
      protocol: 'sip',
      direction: null,
      correlationId: null,
      metadata: random(4) === 0 ? { agent: 'é"\n', n: 1 } : null,
    },
    policy: {
      idleMs: random(5) === 0 ? 500 + random(2_000) : 0,
      maxDurationMs: LONG_MS,
      reservationMs: random(3) === 0 ? 500 + random(2_000) : LONG_MS,
    },
  };
}

/** Numbers from a seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

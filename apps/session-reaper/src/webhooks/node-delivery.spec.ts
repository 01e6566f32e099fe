import { describe, expect, it } from '@jest/globals';

import type { Command } from '#session-core';

import { NodeDelivery } from './node-delivery.js';

const COMMAND: Command = { commandId: 'a', sessionId: 'a', attempt: 1, reason: 'killed', atMs: 0 };

function round(delivery: NodeDelivery, now: number): void {
  delivery.begin();
  delivery.repetition.sent(delivery.repetition.due([COMMAND], now), now);
  delivery.complete(now);
  delivery.end();
}

describe('the delivery to a node', () => {
  it('is due at once, then when something new comes, and after 10 s', () => {
    const delivery = new NodeDelivery();
    delivery.commanded(1);
    expect(delivery.isDue(0)).toBe(true);
    round(delivery, 0);
    delivery.commanded(1);
    expect(delivery.isDue(9_999)).toBe(false);
    expect(delivery.isDue(10_000)).toBe(true);
    delivery.commanded(2);
    expect(delivery.isDue(1)).toBe(true);
  });

  it('does not miss what comes during a round', () => {
    const delivery = new NodeDelivery();
    delivery.commanded(1);
    delivery.begin();
    delivery.commanded(2);
    expect(delivery.isDue(0)).toBe(false);
    delivery.complete(0);
    delivery.end();
    expect(delivery.isDue(0)).toBe(true);
  });

  it('backs off further with each failure, up to 5 minutes, whatever is new; one success forgets it', () => {
    const delivery = new NodeDelivery();
    const mostMs = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000, 300_000];
    for (const most of mostMs) {
      delivery.commanded(most);
      delivery.begin();
      delivery.backOff(0);
      delivery.end();
      delivery.commanded(most + 1);
      expect(delivery.isDue(most / 2 - 1)).toBe(false);
      expect(delivery.isDue(most)).toBe(true);
    }
    delivery.begin();
    delivery.works();
    delivery.complete(0);
    delivery.end();
    delivery.commanded(0);
    expect(delivery.isDue(1)).toBe(true);
  });
});

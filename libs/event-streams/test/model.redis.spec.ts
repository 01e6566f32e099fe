import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { trimStream } from '#event-streams';
import { describeWith, eventually, inForm } from '#testing';

import { GROUP, ids, TestStreams, type TestServer } from './test-streams.js';

type Step =
  | { do: 'publish'; count: number }
  | { do: 'start'; failing: boolean }
  | { do: 'crash'; which: number }
  | { do: 'stop'; which: number }
  | { do: 'trim' }
  | { do: 'pause'; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const), failing: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('trim' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.integer({ min: 0, max: 30 }) }) },
);

describeWith(['redis-server'], 'consumers that come and go', () => {
  let lab: TestStreams;

  beforeAll(async () => {
    lab = await TestStreams.start();
  });
  afterAll(() => lab?.stop());

  /** One world: published events, an idempotent effect at Redis, and consumers that start, fail, crash and stop. */
  class World {
    published = 0;
    private running: TestServer[] = [];
    private calls = 0;

    async take(now: Step): Promise<void> {
      switch (now.do) {
        case 'publish': {
          const events = ids(this.published + now.count).slice(this.published);
          this.published += now.count;
          await lab.publish(events);
          break;
        }
        case 'start':
          this.running.push(this.serve(now.failing));
          break;
        case 'crash':
          await this.remove(now.which)?.crash();
          break;
        case 'stop':
          await this.remove(now.which)?.server.close();
          break;
        case 'trim':
          await this.trim();
          break;
        case 'pause':
          await new Promise((resolve) => setTimeout(resolve, now.ms));
          break;
      }
    }

    /** A last, sound consumer does what is left; then everybody stops. */
    async finish(): Promise<void> {
      await Promise.all(this.running.splice(0).map(({ server }) => server.close()));
      const last = this.serve(false);
      await eventually(async () => expect(await lab.client.scard('seen')).toBe(this.published));
      await eventually(async () => expect(await lab.pending()).toBe(0));
      await last.server.close();
      await this.trim();
    }

    trim() {
      return trimStream(lab.client, lab.stream, { groupAgeMs: 60_000, maxLength: 1_000_000 });
    }

    private remove(which: number): TestServer | undefined {
      return this.running.splice(which % Math.max(1, this.running.length), 1)[0];
    }

    private serve(failing: boolean): TestServer {
      const handle = async ({ fields }: { fields: Record<string, string> }) => {
        this.calls += 1;
        if (failing && this.calls % 3 === 0) throw new Error('a passing failure');
        const fresh = await lab.client.sadd('seen', fields['id'] ?? '');
        if (fresh === 1) await lab.client.hincrby('effects', fields['id'] ?? '', 1);
        if (failing && this.calls % 5 === 0) throw new Error('failed after the effect');
      };
      return lab.serve({
        batch: 40,
        blockMs: 5,
        claimIdleMs: 60,
        retryMs: 2,
        maxDeliveries: 10_000,
        drainMs: 1_000,
        handlers: { 'session.ended': handle },
      });
    }
  }

  it('lose no event and apply none twice, in any interleaving of publishing, starts, failures, crashes, stops and trims', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 20, size: 'max' }), async (steps) => {
        await lab.clear();
        const world = new World();
        for (const now of steps) await world.take(now);
        await world.finish();
        const effects = await lab.client.hgetall('effects');
        expect(effects).toEqual(Object.fromEntries(ids(world.published).map((id) => [id, '1'])));
        expect(await lab.deadLetters()).toEqual([]);
        expect(await lab.client.xlen(lab.stream)).toBe(0);
        const groups = await lab.client.xinfo('GROUPS', lab.stream);
        expect(groups).toHaveLength(1);
        expect(JSON.stringify(groups)).toContain(GROUP);
      }),
      { numRuns: inForm({ short: 15, long: 40 }) },
    );
  }, 240_000);
});

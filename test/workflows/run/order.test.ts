import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inOrder, isOrdered, type Turn } from '../../../workflows/run/order.ts';
import type { CallOrder } from '../../../workflows/contracts/call.ts';

const ends = ['succeeded', 'failed', 'denied', 'unknown', 'stopped', 'broken'] as const;
interface Played {
  callId: string;
  order?: CallOrder;
  end: (typeof ends)[number];
}

function playedOf(among: readonly Played['end'][]): fc.Arbitrary<Played[]> {
  const one = fc.record({
    order: fc.constantFrom<(CallOrder | undefined)[]>('read', 'read', 'write', 'write', 'beside', undefined),
    end: fc.constantFrom(...among),
  });
  return fc
    .array(one, { maxLength: 12 })
    .map((calls) =>
      calls.map(({ order, end }, index) => ({ callId: `1.${index}`, end, ...(order && { order }) })),
    );
}

/** How a call behaves whose tool takes as long as `act` says. */
function play(act: (call: Played) => Promise<unknown>, skipped: Map<string, Turn>) {
  return async (call: Played, turn: Promise<Turn>): Promise<string | undefined> => {
    const { broken, doubt } = await turn;
    if (broken || doubt) {
      skipped.set(call.callId, { broken, ...(doubt && { doubt }) });
      return broken ? undefined : 'stopped';
    }
    await act(call);
    if (call.end === 'broken') throw new Error(call.callId);
    return call.end;
  };
}

function conflict(one: Played, other: Played): boolean {
  const isPlaced = (call: Played): boolean => call.order === 'read' || call.order === 'write';
  return isPlaced(one) && isPlaced(other) && (one.order === 'write' || other.order === 'write');
}

test('each call begins at once when those before it that it conflicts with have ended, and all come to an end', async () => {
  await fc.assert(
    fc.asyncProperty(playedOf(['succeeded', 'failed', 'denied']), async (calls) => {
      let round = 0;
      let open: (() => void)[] = [];
      const begun = new Map<string, number>();
      let isOver = false;
      const over = inOrder(
        calls,
        play(({ callId }) => {
          begun.set(callId, round);
          return new Promise<void>((end) => open.push(end));
        }, new Map()),
      ).then(() => {
        isOver = true;
      });
      for (; ; round += 1) {
        await setImmediate();
        if (isOver) break;
        expect(open, 'nothing runs, and nothing has ended').not.toEqual([]);
        const ending = open;
        open = [];
        for (const end of ending) end();
      }
      await over;
      const rounds: number[] = [];
      for (const [index, call] of calls.entries()) {
        const waited = rounds.filter((_, earlier) => conflict(calls[earlier] as Played, call));
        rounds.push(Math.max(-1, ...waited) + 1);
        expect([call.callId, begun.get(call.callId)]).toEqual([call.callId, rounds[index]]);
      }
      expect(isOrdered(calls)).toBe(rounds.some((begins) => begins > 0));
    }),
    { numRuns: 300 },
  );
});

test('whatever takes how long, effects come in the order written, and none after a doubt or a break', async () => {
  await fc.assert(
    fc.asyncProperty(playedOf(ends), fc.scheduler(), async (calls, scheduler) => {
      const told: string[] = [];
      const skipped = new Map<string, Turn>();
      const make = play(async ({ callId }) => {
        told.push(`begin ${callId}`);
        await scheduler.schedule(Promise.resolve());
        told.push(`end ${callId}`);
      }, skipped);
      const results = await scheduler.waitFor(inOrder(calls, make));
      expect(results.length).toBe(calls.length);
      for (const [index, call] of calls.entries()) {
        const before = calls.slice(0, index).filter((other) => conflict(other, call));
        const at = told.indexOf(`begin ${call.callId}`);
        const made = before.filter(({ callId }) => !skipped.has(callId));
        for (const { callId } of made) if (at >= 0) expect(told.indexOf(`end ${callId}`)).toBeLessThan(at);
        const isPlaced = call.order === 'read' || call.order === 'write';
        const broken = isPlaced && before.some(({ end, callId }) => end === 'broken' && !skipped.has(callId));
        const first = calls
          .slice(0, index)
          .find(
            ({ order, end, callId }) =>
              (order === 'read' || order === 'write') &&
              (end === 'unknown' || end === 'stopped') &&
              !skipped.has(callId),
          );
        const doubt = call.order === 'write' && first && { callId: first.callId, status: first.end };
        const isHeld =
          broken || doubt || (isPlaced && before.some((other) => skipped.get(other.callId)?.broken));
        expect([call.callId, at >= 0]).toEqual([call.callId, !isHeld]);
        if (doubt && !skipped.get(call.callId)?.broken)
          expect(skipped.get(call.callId)).toEqual({ broken: false, doubt });
      }
    }),
    { numRuns: 300 },
  );
});

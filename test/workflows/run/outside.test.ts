import { setImmediate as settled } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PendingInputResult } from '../../../workflows/contracts/activities.ts';
import type { RunEnding } from '../../../workflows/run/loop.ts';
import { createOutside, type Outside } from '../../../workflows/run/outside.ts';

const interrupted = { kind: 'ended', ending: { outcome: 'stopped', reason: 'interrupted' } };
const timedOut = { kind: 'ended', ending: { outcome: 'timed_out', reason: 'limit_seconds' } };
const failed: RunEnding = { outcome: 'failed', reason: 'model_failed' };

class Cancelled extends Error {}

/** A run's surroundings in which time passes when told to, and rows that people write into. */
class World {
  readonly outside: Outside;
  /** When the rows were read. */
  readonly looks: number[] = [];
  /** Rows: what was said and the deadlines of what is open. */
  stop: PendingInputResult['stop'] = 'none';
  readonly answers = new Map<string, boolean>();
  readonly deadlines: number[] = [];
  /** Not read yet by the run. */
  messages = 0;
  /** Why its executor has been given up. */
  lost: string | undefined;
  /** Pauses every look between reading and telling until it is set free. */
  hold: Promise<void> | undefined;
  private now = 0;
  private waiting: { holds(): boolean; due: number; resolve(): void }[] = [];

  constructor() {
    this.outside = createOutside({
      pendingInput: () => this.look(),
      now: () => this.now,
      sleep: (ms) => this.until(() => false, ms),
      until: (holds, ms) => this.until(holds, ms),
      begin: (work) => begin(work),
      endingOf: (error) => (error instanceof RangeError ? failed : undefined),
    });
  }

  /** Lets everything happen that can; `ms` later, with each timer at its moment. */
  async pass(ms = 0): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      for (let idle = 0; idle < 3; idle += 1) {
        this.release();
        await settled();
      }
      const next = Math.min(...this.waiting.map(({ due }) => due).filter((due) => due > this.now));
      if (next > end) break;
      this.now = next;
    }
    this.now = end;
  }

  private until(holds: () => boolean, ms = Number.POSITIVE_INFINITY): Promise<void> {
    return new Promise((resolve) => void this.waiting.push({ holds, due: this.now + ms, resolve }));
  }

  private release(): void {
    const ready = this.waiting.filter(({ holds, due }) => holds() || due <= this.now);
    this.waiting = this.waiting.filter((each) => !ready.includes(each));
    for (const { resolve } of ready) resolve();
  }

  private async look(): Promise<PendingInputResult> {
    this.looks.push(this.now);
    const answered = [...this.answers].map(([waits, allowed]) => ({ waits, allowed }));
    const due = this.deadlines.filter((at) => at > this.now).sort((one, other) => one - other)[0];
    const seen: PendingInputResult = {
      stop: this.stop,
      answered,
      open: 0,
      messages: this.messages,
      ...(this.lost !== undefined && { lost: this.lost }),
      ...(due !== undefined && { dueMs: due - this.now }),
    };
    await this.hold;
    return seen;
  }
}

/** Work that a cancel makes reject with `Cancelled`, whatever else it would have come to. */
function begin<T>(work: () => Promise<T>): { result: Promise<T>; cancel(): void } {
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  cancelled.catch(() => undefined);
  return { result: Promise.race([work(), cancelled]), cancel: () => reject(new Cancelled()) };
}

/** What a promise has come to by now. */
function outcomeOf<T>(promise: Promise<T>): { value?: T; error?: unknown; times: number } {
  const outcome: { value?: T; error?: unknown; times: number } = { times: 0 };
  promise.then(
    (value) => Object.assign(outcome, { value, times: outcome.times + 1 }),
    (error: unknown) => Object.assign(outcome, { error, times: outcome.times + 1 }),
  );
  return outcome;
}

const never = () => new Promise<never>(() => undefined);

type Act = { kind: 'wake' } | { kind: 'pass'; ms: number } | { kind: 'hold' } | { kind: 'go' };
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.constant<Act>({ kind: 'wake' }),
  fc.integer({ min: 0, max: 50 }).map((ms): Act => ({ kind: 'pass', ms })),
  fc.constant<Act>({ kind: 'hold' }),
  fc.constant<Act>({ kind: 'go' }),
);

/** Wakes for nothing, pauses of time, looks that are slow to answer. */
async function doAll(world: World, acts: readonly Act[]): Promise<() => void> {
  let go = (): void => undefined;
  for (const each of acts) {
    if (each.kind === 'wake') world.outside.wake();
    if (each.kind === 'pass') await world.pass(each.ms);
    if (each.kind === 'hold' && !world.hold) {
      const held = Promise.withResolvers<void>();
      world.hold = held.promise;
      go = () => {
        world.hold = undefined;
        held.resolve();
      };
    }
    if (each.kind === 'go') go();
  }
  return () => go();
}

test('a stop is never lost, whatever was under way when it came, and nothing begins after it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { maxLength: 12 }),
      fc.array(act, { maxLength: 12 }),
      fc.constantFrom('interrupt', 'cancel'),
      async (before, after, stop) => {
        const world = new World();
        const watching = outcomeOf(world.outside.watch());
        const work = outcomeOf(world.outside.guard(never));
        const go = await doAll(world, before);
        world.stop = stop;
        world.outside.wake();
        const goOn = await doAll(world, after);
        go();
        goOn();
        await world.pass();
        expect(work).toEqual({ value: interrupted, times: 1 });
        expect(watching.times).toBe(1);
        expect(await world.outside.guard(() => Promise.reject(new Error('it began')))).toEqual(interrupted);
      },
    ),
    { numRuns: 200 },
  );
});

test('an answer lets go of what waits for it, once and in its words, also when it came before the question', async () => {
  const answered = fc.uniqueArray(
    fc.record({
      waits: fc.constantFrom('1.0', '1.1', '1.2', 'limit/a'),
      allowed: fc.boolean(),
      first: fc.boolean(),
    }),
    { selector: ({ waits }) => waits, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(answered, fc.array(act, { maxLength: 8 }), async (questions, acts) => {
      const world = new World();
      void world.outside.watch();
      const open = outcomeOf(world.outside.allowed('2.0'));
      for (const { waits, allowed } of questions.filter(({ first }) => first))
        world.answers.set(waits, allowed);
      const asked = questions.map(({ waits }) => outcomeOf(world.outside.allowed(waits)));
      (await doAll(world, acts))();
      for (const { waits, allowed } of questions) world.answers.set(waits, allowed);
      world.outside.wake();
      await world.pass();
      expect(asked).toEqual(questions.map(({ allowed }) => ({ value: allowed, times: 1 })));
      expect(open.times).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test('what a person has allowed is closed by its result, and not by that answer', async () => {
  const world = new World();
  void world.outside.watch();
  const closed = outcomeOf(world.outside.closed('1.0'));
  for (const allowed of [true, false]) {
    world.answers.set('1.0', allowed);
    world.outside.wake();
    await world.pass();
    expect(closed.times).toBe(allowed ? 0 : 1);
  }
});

test('a deadline of a question has the rows read at its moment, and a wake only makes it sooner', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 5 }),
      async (deadlines, wakes) => {
        const world = new World();
        world.deadlines.push(...deadlines);
        void world.outside.watch();
        void world.outside.allowed('1.0');
        let now = 0;
        for (const at of wakes.sort((one, other) => one - other)) {
          await world.pass(at - now);
          now = at;
          world.outside.wake();
        }
        await world.pass(1000);
        // The question itself has them read first.
        expect(new Set(world.looks)).toEqual(new Set([0, ...deadlines, ...wakes]));
      },
    ),
    { numRuns: 200 },
  );
});

test('the clock stands still for as long as anything waits for a person, however many wait at once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 100 }),
      fc.array(fc.record({ from: fc.nat(80), for: fc.integer({ min: 1, max: 80 }) }), { maxLength: 4 }),
      async (leftMs, questions) => {
        const world = new World();
        void world.outside.watch();
        void world.outside.within(leftMs);
        const work = outcomeOf(world.outside.guard(never));
        let spent = 0;
        const open = new Set<number>();
        for (let now = 0; spent < leftMs; now += 1) {
          questions.forEach((question, at) => {
            if (question.from === now) {
              void world.outside.allowed(String(at));
              open.add(at);
            }
            if (question.from + question.for === now) {
              world.answers.set(String(at), true);
              world.outside.wake();
              open.delete(at);
            }
          });
          await world.pass();
          expect(work.times, `at ${now}, ${spent} of ${leftMs} spent`).toBe(0);
          if (open.size === 0) spent += 1;
          await world.pass(1);
        }
        await world.pass();
        expect(work).toEqual({ value: timedOut, times: 1 });
      },
    ),
    { numRuns: 100 },
  );
});

test('the end that comes first is the one that counts, also over a stop that is being read', async () => {
  const world = new World();
  void world.outside.watch();
  void world.outside.within(10);
  const work = outcomeOf(world.outside.guard(never));
  const reading = Promise.withResolvers<void>();
  world.hold = reading.promise;
  world.stop = 'interrupt';
  world.outside.wake();
  await world.pass(10);
  reading.resolve();
  await world.pass();
  expect(work.value).toEqual(timedOut);
  expect(await world.outside.guard(never)).toEqual(timedOut);
});

test('everything that is guarded when the run ends comes to that end', async () => {
  const world = new World();
  const works = [outcomeOf(world.outside.guard(never)), outcomeOf(world.outside.guard(never))];
  world.outside.end(failed);
  await world.pass();
  expect(works.map(({ value }) => value)).toEqual([
    { kind: 'ended', ending: failed },
    { kind: 'ended', ending: failed },
  ]);
});

test('work that is done as the run ends comes to that end', async () => {
  const { outside } = new World();
  const { promise, resolve } = Promise.withResolvers<string>();
  const work = outside.guard(() => promise);
  resolve('done');
  outside.end(failed);
  expect(await work).toEqual({ kind: 'ended', ending: failed });
});

test('a run that is out of time at its begin is told so before it does anything', async () => {
  const { outside } = new World();
  void outside.within(0);
  expect(await outside.guard(() => Promise.reject(new Error('it began')))).toEqual(timedOut);
});

test('work that fails ends the run where it means that, and is passed on where it does not', async () => {
  const { outside } = new World();
  expect(await outside.guard(() => Promise.reject(new RangeError('the model')))).toEqual({
    kind: 'ended',
    ending: failed,
  });
  await expect(outside.guard(() => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug');
  expect(await outside.guard(async () => 'done')).toEqual({ kind: 'done', value: 'done' });
});

test('who waits for a message waits for one that was not read before', async () => {
  const world = new World();
  void world.outside.watch();
  world.messages = 1;
  world.outside.wake();
  await world.pass();
  world.messages = 0;
  const heard = outcomeOf(world.outside.message());
  await world.pass();
  expect(heard.times).toBe(0);
  world.messages = 1;
  world.outside.wake();
  await world.pass();
  expect(heard.times).toBe(1);
});

test('an executor that was given up ends the run, and what is guarded', async () => {
  const world = new World();
  const work = outcomeOf(world.outside.guard(never));
  void world.outside.watch();
  world.lost = 'Nothing was heard of box.';
  world.outside.wake();
  await world.pass();
  const ending = { outcome: 'failed', reason: 'executor_lost', detail: 'Nothing was heard of box.' };
  expect(work).toEqual({ value: { kind: 'ended', ending }, times: 1 });
});

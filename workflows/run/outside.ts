// What reaches a run from outside: people, who send a wake and leave the rest in rows (stops, answers, the deadlines of
// open questions), and the end of its time. Plain code: Temporal comes in through the ports, and it is replayed.
import type { PendingInputResult } from '../contracts/activities.ts';
import type { Guarded, RunEnding } from './loop.ts';

export interface OutsidePorts {
  /** What people have said in rows. */
  pendingInput(): Promise<PendingInputResult>;
  now(): number;
  sleep(ms: number): Promise<unknown>;
  /** Resolves once `holds` is true, or after `ms`. */
  until(holds: () => boolean, ms?: number): Promise<unknown>;
  /** Begins work that can be cancelled; the result comes when the work has stopped. */
  begin<T>(work: () => Promise<T>): { result: Promise<T>; cancel(): void };
  /** How the run ends when work failed with this error. Undefined: it is not the run's failure. */
  endingOf(error: unknown): RunEnding | undefined;
}

export interface Outside {
  /** There may be something in the rows. */
  wake(): void;
  /** Looks into the rows with every wake and deadline, until the run is to end. */
  watch(): Promise<void>;
  /** Ends the run: what is guarded is cancelled. The first reason is the one that counts. */
  end(why: RunEnding): void;
  /** Ends the run when its time is up. Its clock stands still while it waits for a person. */
  within(leftMs: number): Promise<void>;
  /** Runs work that a stop or the end of the time cancels; waits for the work to have stopped. */
  guard<T>(work: () => Promise<T>): Promise<Guarded<T>>;
  /** Waits for a person's answer. */
  allowed(waits: string): Promise<boolean>;
  /** Waits until a call has its result, which other runs bring. The clock goes on. */
  closed(callId: string): Promise<void>;
  /** Waits until there is a message that the run has not read. The clock goes on. */
  message(): Promise<void>;
}

const interrupted: RunEnding = { outcome: 'stopped', reason: 'interrupted' };
const timedOut: RunEnding = { outcome: 'timed_out', reason: 'limit_seconds' };

export function createOutside(ports: OutsidePorts): Outside {
  let woken = false;
  let ending: RunEnding | undefined;
  const cancels = new Set<() => void>();
  const answers = new Map<string, boolean>();
  let messages = 0;
  let asking = 0;
  let askedAt = 0;
  let waitedMs = 0;

  function end(why: RunEnding): void {
    ending ??= why;
    for (const cancel of cancels) cancel();
  }

  return {
    wake() {
      woken = true;
    },
    async watch() {
      let dueMs: number | undefined;
      for (;;) {
        await ports.until(() => woken || ending !== undefined, dueMs);
        if (ending) return;
        // A wake while the rows are read causes another look.
        woken = false;
        const pending = await ports.pendingInput();
        for (const { waits, allowed } of pending.answered) answers.set(waits, allowed);
        messages = pending.messages ?? 0;
        dueMs = pending.dueMs;
        if (pending.stop !== 'none') return end(interrupted);
        if (pending.lost !== undefined)
          return end({ outcome: 'failed', reason: 'executor_lost', detail: pending.lost });
      }
    },
    end,
    async within(leftMs) {
      // One timer for the whole execution, which ends with it: a timer per step would cost two events each. A run that
      // is out of time at the begin ends at once: a timer may be late by a second.
      const began = ports.now();
      for (;;) {
        const left = began + leftMs + waitedMs - ports.now();
        if (left > 0) await ports.sleep(left);
        else if (asking > 0) await ports.until(() => asking === 0);
        else return end(timedOut);
      }
    },
    async guard(work) {
      if (ending) return { kind: 'ended', ending };
      const { result, cancel } = ports.begin(work);
      cancels.add(cancel);
      try {
        const value = await result;
        return ending ? { kind: 'ended', ending } : { kind: 'done', value };
      } catch (error) {
        const failed = ending ?? ports.endingOf(error);
        if (!failed) throw error;
        return { kind: 'ended', ending: failed };
      } finally {
        cancels.delete(cancel);
      }
    },
    async allowed(waits) {
      if (asking === 0) askedAt = ports.now();
      asking += 1;
      // The answer may be in the rows already: a first look finds it, or when the next look is due.
      woken = true;
      try {
        await ports.until(() => answers.has(waits));
        return answers.get(waits) === true;
      } finally {
        asking -= 1;
        if (asking === 0) waitedMs += ports.now() - askedAt;
      }
    },
    async closed(callId) {
      // It may be closed already.
      woken = true;
      // A person may have allowed it before it was made: a call that is closed is to be made no more.
      await ports.until(() => answers.get(callId) === false);
    },
    async message() {
      messages = 0;
      woken = true;
      await ports.until(() => messages > 0);
    },
  };
}

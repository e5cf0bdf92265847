// Live output of a call as events for people who watch. Best effort and bounded: the call's result carries the
// whole, so nothing here may hold a tool back or fill the log.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import type { ActivityDeps, Attempt } from '../deps.ts';
import type { CallRow } from '../store/calls/calls.ts';
import { Superseded } from '../store/log/events.ts';
import { type RunRow, streamFor } from '../store/runs/runs.ts';

// Ten times a second reads as live.
const batchMs = 100;
// A test run's output; a reader who wants more reads the result.
const mostShown = 64 * 1024;

export interface CallOutput {
  add(from: 'stdout' | 'stderr', text: string): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

export function createCallOutput(
  deps: ActivityDeps,
  run: RunRow,
  call: CallRow,
  attempt: Attempt,
): CallOutput {
  const redactors = { stdout: deps.redactor.stream(), stderr: deps.redactor.stream() };
  let waiting: Extract<NewEvent, { type: 'call-delta' }>[] = [];
  let shown = 0;
  let timer: NodeJS.Timeout | undefined;
  let sending = Promise.resolve();

  function put(from: 'stdout' | 'stderr', text: string): void {
    if (text === '') return;
    const last = waiting.at(-1);
    if (last?.payload.from === from) last.payload.text += text;
    else waiting.push({ type: 'call-delta', payload: { callId: call.call_id, from, text } });
    timer ??= setTimeout(flush, batchMs);
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const events = waiting;
    waiting = [];
    if (events.length === 0) return;
    sending = sending
      .then(() => deps.log.append({ ...streamFor(run), events, fence: attempt.ref }))
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof Superseded) attempt.supersede(error);
          else deps.logger.warn({ err: error, runId: run.id }, 'live output of a call was not stored');
        },
      );
  }

  return {
    add(from, text) {
      if (shown >= mostShown) return;
      const room = text.slice(0, mostShown - shown);
      shown += room.length;
      put(from, redactors[from].push(room));
      if (shown >= mostShown) put(from, `${redactors[from].end()}\n… more output than is shown live …\n`);
    },
    async close() {
      for (const from of ['stdout', 'stderr'] as const) put(from, redactors[from].end());
      flush();
      await sending;
    },
  };
}

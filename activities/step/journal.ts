// Turns what a model streams into events: the first piece at once, the rest in small batches that grow under
// load. Never holds the model back; an outage of Postgres is waited out up to a bound.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import { untilStored } from '../store/db/until-stored.ts';
import type { AttemptRef } from '../store/runs/attempts.ts';
import type { EventLog } from '../store/log/events.ts';
import { pass } from '../store/log/trace.ts';

export interface Journal {
  text(text: string): void;
  thinking(text: string): void;
  /** Takes back what was told so far. */
  takeBack(reason: string): void;
  /** What is not sent yet and what closes the open block, for the transaction that stores the answer. */
  seal(): Promise<NewEvent[]>;
}

/** Of a call whose words are no part of an answer. */
export const silentJournal: Journal = {
  text: () => undefined,
  thinking: () => undefined,
  takeBack: () => undefined,
  seal: async () => [],
};

export interface JournalInput {
  log: EventLog;
  tenantId: string;
  stream: string;
  conversationId: string;
  attempt: AttemptRef;
  step: number;
  /** Hides secrets that are split over pieces. */
  redactor: { push(chunk: string): string; end(): string };
  /** Told once when the log refuses or gives up: there is no use in going on. */
  onFailure(error: Error): void;
}

// A reader sees words appear smoothly at 20 ms; at 2 KB waiting longer would only add latency.
const batchMs = 20;
const batchBytes = 2048;
// What an outage of Postgres may pile up before the attempt is given up.
const mostWaitingBytes = 4 * 1024 * 1024;

/** More was said than is kept while the store was away or too slow: its outage, and not a mistake in here. */
export class LogBehind extends Error {
  override name = 'LogBehind';

  constructor() {
    super('The event log has not kept up with the model.');
  }
}

export function createJournal(input: JournalInput): Journal {
  let waiting: NewEvent[] = [];
  let waitingBytes = 0;
  let open: { kind: 'text' | 'thinking'; block: number } | undefined;
  let blocks = 0;
  let batches = 0;
  let timer: NodeJS.Timeout | undefined;
  let sentAt = Number.NEGATIVE_INFINITY;
  let sending: Promise<void> | undefined;
  let failed = false;
  let sealed = false;

  function fail(error: Error): void {
    if (failed) return;
    failed = true;
    input.onFailure(error);
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (sending || waiting.length === 0 || failed) return;
    const events = merge(waiting);
    waiting = [];
    waitingBytes = 0;
    batches += 1;
    sentAt = performance.now();
    sending = append(input, events, batches)
      .then(() => pass('appended', input.stream), fail)
      .then(() => {
        sending = undefined;
        if (waiting.length > 0 && !sealed) schedule();
      });
  }

  function schedule(): void {
    if (waitingBytes >= batchBytes) flush();
    // What comes after a pause goes at once; only what follows closely waits, so that no batch is on its heels.
    else timer ??= setTimeout(flush, Math.max(0, sentAt + batchMs - performance.now()));
  }

  function close(): NewEvent[] {
    if (!open) return [];
    const { kind, block } = open;
    open = undefined;
    const rest = input.redactor.end();
    const events: NewEvent[] = rest === '' ? [] : [delta(kind, input.step, block, rest)];
    return [...events, { type: `${kind}-end`, payload: { step: input.step, block } }];
  }

  function add(kind: 'text' | 'thinking', piece: string): void {
    if (piece === '' || failed) return;
    if (batches === 0) pass('said', input.stream);
    const first = batches === 0 && !waiting.some(hasWords);
    if (open?.kind !== kind) {
      waiting.push(...close());
      open = { kind, block: blocks };
      blocks += 1;
      waiting.push({ type: `${kind}-start`, payload: { step: input.step, block: open.block } });
    }
    const shown = input.redactor.push(piece);
    if (shown !== '') {
      waiting.push(delta(kind, input.step, open.block, shown));
      waitingBytes += shown.length;
    }
    if (waitingBytes > mostWaitingBytes) fail(new LogBehind());
    // While the redactor holds the first words back, their start shows a reader nothing: it goes with them.
    else if (!waiting.some(hasWords)) return;
    else if (first) flush();
    else schedule();
  }

  return {
    text: (piece) => add('text', piece),
    thinking: (piece) => add('thinking', piece),
    takeBack(reason) {
      waiting.push(...close(), { type: 'message-reset', payload: { step: input.step, reason } });
    },
    async seal() {
      clearTimeout(timer);
      sealed = true;
      await sending;
      // Nothing is told behind pieces that could not be sent.
      return failed ? close() : merge([...waiting, ...close()]);
    },
  };
}

function delta(kind: 'text' | 'thinking', step: number, block: number, text: string): NewEvent {
  return { type: `${kind}-delta`, payload: { step, block, text } };
}

function hasWords({ type }: NewEvent): boolean {
  return type === 'text-delta' || type === 'thinking-delta';
}

/** Pieces of one block that wait together become one event. */
function merge(events: NewEvent[]): NewEvent[] {
  const merged: NewEvent[] = [];
  for (const event of events) {
    const last = merged.at(-1);
    if (
      (event.type === 'text-delta' || event.type === 'thinking-delta') &&
      last?.type === event.type &&
      last.payload.block === event.payload.block
    ) {
      merged[merged.length - 1] = {
        type: event.type,
        payload: { ...last.payload, text: last.payload.text + event.payload.text },
      };
    } else {
      merged.push(event);
    }
  }
  return merged;
}

/** Under the number of its batch, so that one whose answer was lost is stored once. */
async function append(
  { log, tenantId, stream, conversationId, attempt }: JournalInput,
  events: NewEvent[],
  batch: number,
): Promise<void> {
  const dedupeKey = `${attempt.unit}/${attempt.attempt}/${batch}`;
  await untilStored(() =>
    log.append({ tenantId, stream, conversationId, events, fence: attempt, dedupeKey }),
  );
}

// Draws a run as the renderer does and stops at everything that waits for a person. What happens while they read is
// received and drawn after their answer; an answer that was given elsewhere takes the question off the screen.
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Client } from '../../client/client.ts';
import { putApproval } from './approval-prompt.ts';
import type { Output } from './output.ts';
import { printableLine } from './printable.ts';
import { openPrompt, type Terminal } from './prompt.ts';
import type { Renderer } from './renderer.ts';

/** A question of the run, or of one of its subagents. */
type Request = Extract<Event, { type: 'approval-request' | 'delegation-approval' }>;

export interface Attendant extends Renderer {
  /** Asks nothing more and removes the open question. */
  dismiss(): void;
  /** Dismissed, and everything held is drawn; the terminal is as it was. */
  close(): Promise<void>;
}

export interface AttendantInput {
  output: Output;
  terminal: Terminal;
  client: Client;
  renderer: Renderer;
  onCtrlC(): void;
  /** How the terminal is taken to ask; it may be in use for something else. */
  open?: typeof openPrompt;
}

export function createAttendant(input: AttendantInput): Attendant {
  const { output, client, renderer, open = openPrompt } = input;
  // A call shows 64 KiB of its output at most and a step has 64 calls, so that this is bounded too.
  const held: (() => void)[] = [];
  let asking: { approvalId: string; gone: AbortController; done: Promise<void> } | undefined;
  let dismissed = false;

  async function ask(event: Request, signal: AbortSignal): Promise<void> {
    // The event says that something waits; what it is, and whether it still waits, the server says.
    const approval = await client.approval(event.payload.approvalId);
    // The panel says all that the event does, so one of them is enough.
    if (approval.status !== 'open' || signal.aborted) return renderer.render(event);
    const opened = await open(input.terminal, { signal, onCtrlC: input.onCtrlC });
    let left = false;
    const prompt = {
      ...opened,
      async ask(...given: Parameters<typeof opened.ask>) {
        const typed = await opened.ask(...given);
        left = typed === undefined;
        return typed;
      },
    };
    try {
      await putApproval({ output, client, prompt, approval });
    } finally {
      opened.close();
      // Left open here: the event says how to answer it from elsewhere.
      if (left && (dismissed || !signal.aborted)) renderer.render(event);
    }
  }

  function begin(event: Request): void {
    const gone = new AbortController();
    const done = ask(event, gone.signal)
      .catch((error: unknown) => {
        renderer.render(event);
        const why = printableLine(error instanceof Error ? error.message : String(error), 500);
        renderer.note(`it cannot be asked here: ${why}`);
      })
      .finally(() => {
        asking = undefined;
        while (asking === undefined) {
          const next = held.shift();
          if (next === undefined) return;
          next();
        }
      });
    asking = { approvalId: event.payload.approvalId, gone, done };
  }

  function draw(event: Event): void {
    const asks =
      event.type === 'delegation-approval' ||
      (event.type === 'approval-request' && event.payload.kind !== 'result');
    if (!asks || dismissed) return renderer.render(event);
    begin(event);
  }

  function dismiss(): void {
    dismissed = true;
    asking?.gone.abort();
  }

  return {
    render(event) {
      if (asking === undefined) return draw(event);
      const isAsked = 'approvalId' in event.payload && event.payload.approvalId === asking.approvalId;
      // The question is on the screen. After its answer a reminder would be false.
      if (isAsked && event.type === 'approval-escalation') return;
      const answered = isAsked && event.type === 'approval-response';
      if (!answered) return void held.push(() => draw(event));
      asking.gone.abort();
      renderer.render(event);
    },
    note: (text) => (asking === undefined ? renderer.note(text) : void held.push(() => renderer.note(text))),
    dismiss,
    async close() {
      dismiss();
      await asking?.done;
    },
  };
}

// Asks a person for lines on a terminal. On every way out the terminal is given back as it was found.
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

export interface Terminal {
  input: Readable & { setRawMode?(raw: boolean): unknown };
  output: Writable & { columns?: number };
}

export interface Prompt {
  /** What was typed; undefined once the question is taken back. `begun` is there already and can be changed. */
  ask(question: string, begun?: string): Promise<string | undefined>;
  close(): void;
}

export interface PromptInput {
  /** Takes away what is asked. */
  signal: AbortSignal;
  /** While a prompt is open a Ctrl-C is a key like any other and no signal. */
  onCtrlC(): void;
}

// What is in the keyboard's buffer arrives at once; a person needs longer than this to read what is asked.
const unreadMs = 150;
const ctrlC = 3;

/** Nothing typed before this resolves counts: it was typed before the question could be read. */
export async function openPrompt(terminal: Terminal, { signal, onCtrlC }: PromptInput): Promise<Prompt> {
  if (await dropTyped(terminal.input, signal)) onCtrlC();
  // Answers are not offered again with the arrow keys: the next question is another one.
  const lines = createInterface({ ...terminal, terminal: true, historySize: 0 });
  let answer: ((line: string | undefined) => void) | undefined;
  let closed = false;

  function give(line: string | undefined): void {
    answer?.(line);
    answer = undefined;
  }

  function takeAway(): void {
    if (answer !== undefined) {
      moveCursor(terminal.output, 0, -lines.getCursorPos().rows);
      cursorTo(terminal.output, 0);
      clearScreenDown(terminal.output);
      give(undefined);
    }
    lines.close();
  }

  lines.on('SIGINT', onCtrlC);
  lines.on('close', () => {
    closed = true;
    signal.removeEventListener('abort', takeAway);
    // Ctrl-D leaves the question where it stands; what follows begins on a line of its own.
    if (answer !== undefined) terminal.output.write('\n');
    give(undefined);
  });
  signal.addEventListener('abort', takeAway, { once: true });
  if (signal.aborted) lines.close();

  return {
    ask: (question, begun = '') =>
      new Promise((resolve) => {
        if (closed) return resolve(undefined);
        answer = resolve;
        lines.question(question, give);
        lines.write(begun);
      }),
    close: () => lines.close(),
  };
}

/** True when a Ctrl-C was typed. */
async function dropTyped(input: Terminal['input'], signal: AbortSignal): Promise<boolean> {
  let interrupted = false;
  const drop = (typed: Buffer | string): void => {
    interrupted ||= Buffer.from(typed).includes(ctrlC);
  };
  // Half-typed lines are in the terminal's own buffer; raw mode hands them over.
  input.setRawMode?.(true);
  input.on('data', drop);
  try {
    await pause(unreadMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    input.off('data', drop);
    input.pause();
    input.setRawMode?.(false);
  }
  return interrupted;
}

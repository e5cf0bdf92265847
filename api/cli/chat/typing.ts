// What a person does at the keyboard of a chat: lines that become one message, and Ctrl-C.
import { ProblemError } from '../../client/client.ts';
import type { LineBelow } from '../terminal/line-below.ts';
import type { LineHistory } from './line-history.ts';

interface TypingInput {
  line: LineBelow;
  history: LineHistory;
  /** The run at work. */
  active(): string | undefined;
  say(text: string): Promise<void>;
  interrupt(runId: string): Promise<unknown>;
  note(text: string): void;
  leave(): void;
}

const prompts = { idle: '› ', working: '» ', more: '… ' };

export function createTyping({ line, history, active, note, ...input }: TypingInput) {
  // The lines of a message whose end is still being typed.
  let begun: string[] = [];
  // Another Ctrl-C leaves.
  let isArmed = false;

  function prompt(): string {
    if (begun.length > 0) return prompts.more;
    return active() === undefined ? prompts.idle : prompts.working;
  }

  const ask = (): void => line.ask(prompt());

  async function send(text: string): Promise<void> {
    if (text.trim() === '') return;
    try {
      await input.say(text);
    } catch (error) {
      note(error instanceof Error ? error.message : String(error));
    }
  }

  async function interrupt(runId: string): Promise<void> {
    try {
      await input.interrupt(runId);
    } catch (error) {
      // It has ended by itself in the meantime.
      if (error instanceof ProblemError && [404, 409].includes(error.status)) return;
      note(`the interrupt did not get through: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  return {
    ask,
    /** Puts a text into the line, to be sent again or changed. */
    begin(text: string): void {
      const lines = text.split('\n');
      const last = lines.pop() ?? '';
      begun = [...begun, ...lines];
      line.begin(last);
      ask();
    },
    /** `unfinished`: the last of the lines is still in the line. */
    hear(lines: string[], unfinished: boolean): void {
      isArmed = false;
      for (const each of lines) history.add(each);
      const isBegun = unfinished || lines.at(-1)?.endsWith('\\') === true;
      // What steers is drawn when the server has it.
      if (isBegun || begun.length > 0 || active() === undefined || lines[0]?.startsWith('/'))
        line.output.line(prompt() + lines.join('\n'));
      begun.push(...lines.map((each) => each.replace(/\\$/, '')));
      if (!isBegun) void send(begun.splice(0).join('\n'));
      ask();
    },
    stop(): void {
      const had = line.clear() || begun.length > 0;
      begun = [];
      ask();
      if (had) return;
      if (isArmed) return input.leave();
      isArmed = true;
      const runId = active();
      note(runId === undefined ? 'Ctrl-C once more leaves' : 'interrupting; Ctrl-C once more leaves');
      if (runId !== undefined) void interrupt(runId);
    },
  };
}

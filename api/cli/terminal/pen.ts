// Writes lines and streamed text into one output without either breaking into the other.
import type { Output } from './output.ts';
import { printableLine } from './printable.ts';
import { createProse } from './prose.ts';

export interface Pen {
  colors: Output['colors'];
  /** Text as it streams; it may end in the middle of a line. */
  write(text: string): void;
  /** What a model answers, as it streams; its Markdown is drawn. */
  prose(text: string): void;
  /** A line of its own; unfinished text before it is ended first. */
  line(text: string): void;
  /** Ends unfinished text, if there is any. */
  endLine(): void;
  note(text: string): void;
  warn(text: string): void;
  /** Untrusted text, cut so that a line of ours fits the terminal. */
  short(text: string): string;
}

// What a line of ours says beside the untrusted text in it.
const besides = 24;

export function createPen(output: Output): Pen {
  const { colors } = output;
  let midLine = false;
  const drawing = createProse(output);
  const put = (text: string): void => {
    if (text === '') return;
    output.write(text);
    midLine = !text.endsWith('\n');
  };
  const endLine = (): void => {
    put(drawing.end());
    if (midLine) put('\n');
  };
  const write = (text: string): void => {
    put(drawing.end());
    put(text);
  };
  const line = (text: string): void => {
    endLine();
    output.line(text);
  };
  return {
    colors,
    write,
    prose: (text) => put(drawing.push(text)),
    line,
    endLine,
    note: (text) => line(colors.dim(`— ${text}`)),
    warn: (text) => line(colors.yellow(`! ${text}`)),
    short: (text) => printableLine(text, output.columns - besides),
  };
}

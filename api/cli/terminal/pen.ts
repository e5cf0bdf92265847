// Writes lines and streamed text into one output without either breaking into the other.
import type { Output } from './output.ts';
import { wrapText } from './cells.ts';
import { createProse } from './prose.ts';
import { firstWords } from './table.ts';

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
  /** A line of ours without a sign before it. */
  sentence(text: string): void;
  /** Untrusted text, cut between words. */
  short(text: string): string;
}

// Room for our own words beside untrusted text in a line.
const besides = 24;
// A reason cut shorter than this says nothing; in a narrow terminal it takes several lines.
const leastShort = 96;

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
  // Between words on a terminal, and below the text behind the sign.
  const fit = (text: string): string => (output.isTerminal ? wrapText(text, output.columns, 2) : text);
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
    note: (text) => line(colors.dim(fit(`— ${text}`))),
    warn: (text) => line(colors.yellow(fit(`! ${text}`))),
    sentence: (text) => line(fit(text)),
    short: (text) => firstWords(text, Math.max(leastShort, output.columns - besides)),
  };
}

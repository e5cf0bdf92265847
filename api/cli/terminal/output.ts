// Where the CLI writes: stdout for answers, stderr for remarks, colours only on a terminal that wants them.
import Table from 'cli-table3';
import picocolors from 'picocolors';
import { printableLine } from './printable.ts';

type Colors = ReturnType<typeof picocolors.createColors>;

export interface Output {
  write(text: string): void;
  line(text?: string): void;
  /** To stderr: what is said about the answer, not the answer. */
  remark(text: string): void;
  json(value: unknown): void;
  /** Resolves at once unless much waits for a slow reader; whoever follows something asks before each piece. */
  room(): Promise<void>;
  /** False when not everything could be written. */
  flushed(): Promise<boolean>;
  colors: Colors;
  isTerminal: boolean;
  columns: number;
}

/** What takes text: one of the standard streams, or a text in memory, which always has room. */
export interface Sink {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number | undefined;
  room?(): Promise<void>;
  flushed?(): Promise<boolean>;
}

// What a pipe is told a line holds; long enough for a path, short enough to read.
const widthWithoutTerminal = 120;

export function createOutput(
  stdout: Sink,
  stderr: Sink,
  environment: Record<string, string | undefined>,
): Output {
  const isTerminal = stdout.isTTY === true;
  const wanted = (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
  return {
    write: (text) => void stdout.write(text),
    line: (text = '') => void stdout.write(`${text}\n`),
    remark: (text) => void stderr.write(`${text}\n`),
    json: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    room: async () => stdout.room?.(),
    flushed: async () => (await stdout.flushed?.()) ?? true,
    colors: picocolors.createColors(isTerminal && wanted),
    isTerminal,
    // A terminal that nobody has told its size says 0.
    columns: isTerminal ? stdout.columns || 80 : widthWithoutTerminal,
  };
}

// Nothing but spaces between columns: a table can be read, and cut with awk.
const noBorders = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((part) => [part, '']),
);

// A longer cell pushes the others out of sight; `--json` has the whole.
const cellWidth = 60;

export function tableOf(output: Output, head: string[], rows: (string | number | null)[][]): string {
  const table = new Table({
    head: head.map((title) => output.colors.dim(title)),
    chars: { ...noBorders, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map((cell) => printableLine(String(cell ?? '-'), cellWidth)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

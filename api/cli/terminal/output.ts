// Where the CLI writes: stdout for answers, stderr for remarks, colours only on a terminal that wants them.
import picocolors from 'picocolors';
import { wrapText } from './cells.ts';

type Colors = ReturnType<typeof picocolors.createColors>;

export interface Output {
  write(text: string): void;
  line(text?: string): void;
  /** To stderr: what is said about the answer, not the answer. */
  remark(text: string): void;
  json(value: unknown): void;
  /** Resolves at once unless much waits for a slow reader; a command that follows asks before each piece. */
  room(): Promise<void>;
  /** False when not everything could be written. */
  flushed(): Promise<boolean>;
  /** The same for stderr: what is drawn there leaves stdout to the answer. */
  readonly aside: Output;
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

// The width of a line in a pipe; long enough for a path, short enough to read. Tables in a pipe do not keep to it.
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
    remark: (text) => void stderr.write(`${stderr.isTTY ? wrapText(text, stderr.columns || 80) : text}\n`),
    json: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    room: async () => stdout.room?.(),
    flushed: async () => (await stdout.flushed?.()) ?? true,
    get aside() {
      return createOutput(stderr, stderr, environment);
    },
    colors: picocolors.createColors(isTerminal && wanted),
    isTerminal,
    // A terminal that does not know its size says 0.
    columns: isTerminal ? stdout.columns || 80 : widthWithoutTerminal,
  };
}

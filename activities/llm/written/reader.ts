// Reads thoughts and calls out of the text of an answer, piece by piece: however it is cut into them, the same comes out.
import type { ToolSpec } from '../../tools/tool.ts';
import { type CallFormat, callFormats, silentMarks, thoughts, type WrittenCall } from './formats.ts';

// The rule: a mark counts at the start of a line and outside a block of code, and only when what it opens is whole and
// every call in it names a tool that was offered. Everything else stays the text it is. Thoughts at the start of an
// answer need no end: an answer may be cut inside them. Calls come last, and not at all beside calls that the server
// itself has read: those stay text.

export type WrittenPart =
  | { type: 'text' | 'thinking'; text: string }
  /** All text so far was thoughts, whose opening mark stood in the prompt. */
  | { type: 'was-thinking' }
  | { type: 'call'; call: WrittenCall };

export interface WrittenReader {
  push(piece: string): WrittenPart[];
  /** `read`: the server has read calls by itself. */
  end(read: boolean): WrittenPart[];
}

// What opens and is never whole is looked at once more from behind its mark: a page of quoted marks must not take long.
const mostRefused = 32;
// What closes a call may stand in its arguments.
const mostCloses = 64;

interface ThoughtsMark {
  kind: 'thoughts';
  open: string;
  close: string;
}
interface CallMark {
  kind: 'call';
  open: string;
  format: CallFormat;
}
type Mark = ThoughtsMark | CallMark | { kind: 'silent' | 'unopened'; open: string };

const marks: readonly Mark[] = [
  ...thoughts.map((each): Mark => ({ kind: 'thoughts', ...each })),
  ...silentMarks.map((open): Mark => ({ kind: 'silent', open })),
  ...['</think>', '</thinking>', '[/THINK]'].map((open): Mark => ({ kind: 'unopened', open })),
  ...callFormats.map((format): Mark => ({ kind: 'call', open: format.open, format })),
];

interface Whole {
  length: number;
  thinking?: string;
  calls: WrittenCall[];
}

export function createWrittenReader(tools: readonly ToolSpec[]): WrittenReader {
  return new Reader(tools);
}

class Reader implements WrittenReader {
  readonly #tools: readonly ToolSpec[];
  readonly #offered: ReadonlySet<string>;
  readonly #found: { raw: string; calls: WrittenCall[] }[] = [];
  #parts: WrittenPart[] = [];
  #rest = '';
  /** Not looked at yet: while something is not whole, all of it is looked at again as it grows by an eighth. */
  #pending = '';
  #waiting = false;
  #ended = false;
  #atLine = true;
  /** Nothing was said since the start, or since thoughts or a call. */
  #quiet = true;
  #behindMark = false;
  #said = false;
  #mayBeUnopened = true;
  #fence: string | undefined;
  #close: string | undefined;
  #refused = 0;
  /** Where the next end of what is open is looked for, and how many were none. */
  #closes = { from: 0, count: 0 };

  constructor(tools: readonly ToolSpec[]) {
    this.#tools = tools;
    this.#offered = new Set(tools.map(({ name }) => name));
  }

  push(piece: string): WrittenPart[] {
    this.#pending += piece;
    return this.#waiting && this.#pending.length < this.#rest.length / 8 ? [] : this.#take();
  }

  end(read: boolean): WrittenPart[] {
    this.#ended = true;
    const last = this.#take();
    if (read) return [...last, ...this.#found.map(({ raw }): WrittenPart => ({ type: 'text', text: raw }))];
    const calls = this.#found.flatMap((each) => each.calls);
    return [...last, ...calls.map((call): WrittenPart => ({ type: 'call', call }))];
  }

  #say(text: string): void {
    if (text === '') return;
    this.#parts.push({ type: 'text', text });
    this.#said ||= text.trim() !== '';
  }

  #think(text: string): void {
    if (text !== '') this.#parts.push({ type: 'thinking', text });
  }

  /** Goes on behind a mark or what it opened. */
  #goOn(from: string): void {
    this.#rest = from;
    this.#atLine = true;
    this.#quiet = true;
    this.#behindMark = true;
    this.#waiting = false;
    this.#closes = { from: 0, count: 0 };
  }

  /** Undefined: not yet. Null: it is none. */
  #wholeOf(text: string, mark: ThoughtsMark | CallMark): Whole | null | undefined {
    const end = mark.kind === 'call' ? mark.format.close : mark.close;
    const body = mark.open.length;
    if (end === undefined)
      return this.#ended && mark.kind === 'call'
        ? this.#callsOf(text.slice(body), mark, text.length)
        : undefined;
    for (;;) {
      const at = text.indexOf(end, Math.max(body, this.#closes.from));
      if (at < 0) {
        this.#closes.from = Math.max(0, text.length - end.length);
        return this.#ended ? null : undefined;
      }
      const inside = text.slice(body, at);
      const length = at + end.length;
      if (!('format' in mark)) return { length, thinking: inside, calls: [] };
      const whole = this.#callsOf(inside, mark, length);
      this.#closes = { from: at + 1, count: this.#closes.count + 1 };
      if (whole !== null || this.#closes.count >= mostCloses) return whole;
    }
  }

  #callsOf(inside: string, { format }: CallMark, length: number): Whole | null {
    const calls = format.read(inside, this.#tools);
    return calls?.every(({ name }) => this.#offered.has(name)) ? { length, calls } : null;
  }

  /** False: more must come first. */
  #takeMark(blank: string, text: string, mark: Mark): boolean {
    const behind = text.slice(mark.open.length);
    if (mark.kind === 'unopened' && this.#mayBeUnopened) {
      if (this.#said) this.#parts.push({ type: 'was-thinking' });
      this.#mayBeUnopened = false;
      this.#goOn(behind);
      return true;
    }
    if (mark.kind === 'silent' && this.#quiet) {
      this.#goOn(behind);
      return true;
    }
    if (mark.kind === 'thoughts' && this.#quiet) {
      this.#mayBeUnopened = false;
      this.#close = mark.close;
      this.#goOn(behind);
      return true;
    }
    const whole = 'close' in mark || 'format' in mark ? this.#wholeOf(text, mark) : null;
    if (whole === undefined) return false;
    if (whole === null) {
      this.#say(blank + mark.open);
      this.#refused += 1;
      this.#goOn(behind);
      this.#atLine = false;
      this.#quiet = false;
      return true;
    }
    if (whole.thinking === undefined)
      this.#found.push({ raw: text.slice(0, whole.length), calls: whole.calls });
    else this.#think(whole.thinking);
    this.#goOn(text.slice(whole.length));
    return true;
  }

  /** At the start of a line. False: more must come first. */
  #takeStart(): boolean {
    const blank = (this.#quiet ? /^\s*/ : /^[^\S\n]*/).exec(this.#rest)?.[0] ?? '';
    const text = this.#rest.slice(blank.length);
    if (text === '' && !this.#ended) return false;
    if (this.#fence === undefined && this.#refused < mostRefused) {
      const mark = marks.find(({ open }) => text.startsWith(open));
      if (mark) {
        this.#waiting = !this.#takeMark(blank, text, mark);
        return !this.#waiting;
      }
      if (!this.#ended && marks.some(({ open }) => open.startsWith(text))) return false;
    }
    const line = /^(`+|~+)([^\S\n]*)(\n?)/.exec(text);
    if (line) {
      // Only a whole line shows whether it closes a block.
      if (!this.#ended && line[0].length === text.length && line[3] === '') return false;
      const run = line[1] ?? '';
      if (this.#fence === undefined) this.#fence = run.length >= 3 ? run : undefined;
      else if (run.startsWith(this.#fence) && (line[3] !== '' || line[0].length === text.length))
        this.#fence = undefined;
    }
    // What stands between thoughts and the answer belongs to neither.
    if (!this.#quiet || !this.#behindMark) this.#say(blank);
    this.#rest = text;
    this.#atLine = false;
    this.#quiet = false;
    return true;
  }

  #takeThoughts(end: string): void {
    const at = this.#rest.indexOf(end);
    if (at >= 0) {
      this.#think(this.#rest.slice(0, at));
      this.#close = undefined;
      this.#goOn(this.#rest.slice(at + end.length));
      return;
    }
    const kept = this.#ended ? 0 : overlapOf(this.#rest, end);
    this.#think(this.#rest.slice(0, this.#rest.length - kept));
    this.#rest = this.#rest.slice(this.#rest.length - kept);
  }

  #take(): WrittenPart[] {
    this.#rest += this.#pending;
    this.#pending = '';
    for (;;) {
      if (this.#close !== undefined) {
        this.#takeThoughts(this.#close);
        if (this.#close !== undefined) break;
      } else if (this.#atLine) {
        if (this.#rest === '' || !this.#takeStart()) break;
      } else {
        const line = this.#rest.indexOf('\n') + 1 || this.#rest.length;
        if (line === 0) break;
        this.#atLine = this.#rest[line - 1] === '\n';
        this.#say(this.#rest.slice(0, line));
        this.#rest = this.#rest.slice(line);
      }
    }
    const taken = this.#parts;
    this.#parts = [];
    return taken;
  }
}

/** How much of the end of `text` may be the start of `mark`. */
function overlapOf(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length -= 1)
    if (text.endsWith(mark.slice(0, length))) return length;
  return 0;
}

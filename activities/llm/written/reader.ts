// Reads thoughts and calls out of the text of an answer, piece by piece. However the text is cut into pieces, the same
// comes out.
//
// The rule: a mark counts at the start of a line and outside a block of code, and only when what it opens is whole and
// every call in it names a tool that was offered. Everything else stays the text it is. Thoughts at the start of an
// answer need no end: an answer may be cut inside them. Calls come last, and not at all beside calls that the server
// itself has read: those stay text.
import type { ToolSpec } from '../../tools/tool.ts';
import { type CallFormat, callFormats, silentMarks, thoughts, type WrittenCall } from './formats.ts';

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
  const offered = new Set(tools.map(({ name }) => name));
  const found: { raw: string; calls: WrittenCall[] }[] = [];
  let parts: WrittenPart[] = [];
  let rest = '';
  /** Not looked at yet: while something is not whole, all of it is looked at again as it grows by an eighth. */
  let pending = '';
  let waiting = false;
  let ended = false;
  let atLine = true;
  /** Nothing was said since the start, or since thoughts or a call. */
  let quiet = true;
  let behindMark = false;
  let said = false;
  let mayBeUnopened = true;
  let fence: string | undefined;
  let close: string | undefined;
  let refused = 0;
  /** Where the next end of what is open is looked for, and how many were none. */
  let closes = { from: 0, count: 0 };

  function say(text: string): void {
    if (text === '') return;
    parts.push({ type: 'text', text });
    said ||= text.trim() !== '';
  }

  function think(text: string): void {
    if (text !== '') parts.push({ type: 'thinking', text });
  }

  /** Goes on behind a mark or what it opened. */
  function goOn(from: string): void {
    rest = from;
    atLine = true;
    quiet = true;
    behindMark = true;
    waiting = false;
    closes = { from: 0, count: 0 };
  }

  /** Undefined: not yet. Null: it is none. */
  function wholeOf(text: string, mark: ThoughtsMark | CallMark): Whole | null | undefined {
    const end = mark.kind === 'call' ? mark.format.close : mark.close;
    const body = mark.open.length;
    if (end === undefined)
      return ended && mark.kind === 'call' ? callsOf(text.slice(body), mark, text.length) : undefined;
    for (;;) {
      const at = text.indexOf(end, Math.max(body, closes.from));
      if (at < 0) {
        closes.from = Math.max(0, text.length - end.length);
        return ended ? null : undefined;
      }
      const inside = text.slice(body, at);
      const length = at + end.length;
      if (!('format' in mark)) return { length, thinking: inside, calls: [] };
      const whole = callsOf(inside, mark, length);
      closes = { from: at + 1, count: closes.count + 1 };
      if (whole !== null || closes.count >= mostCloses) return whole;
    }
  }

  function callsOf(inside: string, { format }: CallMark, length: number): Whole | null {
    const calls = format.read(inside, tools);
    return calls?.every(({ name }) => offered.has(name)) ? { length, calls } : null;
  }

  /** False: more must come first. */
  function takeMark(blank: string, text: string, mark: Mark): boolean {
    const behind = text.slice(mark.open.length);
    if (mark.kind === 'unopened' && mayBeUnopened) {
      if (said) parts.push({ type: 'was-thinking' });
      mayBeUnopened = false;
      goOn(behind);
      return true;
    }
    if (mark.kind === 'silent' && quiet) {
      goOn(behind);
      return true;
    }
    if (mark.kind === 'thoughts' && quiet) {
      mayBeUnopened = false;
      close = mark.close;
      goOn(behind);
      return true;
    }
    const whole = 'close' in mark || 'format' in mark ? wholeOf(text, mark) : null;
    if (whole === undefined) return false;
    if (whole === null) {
      say(blank + mark.open);
      refused += 1;
      goOn(behind);
      atLine = false;
      quiet = false;
      return true;
    }
    if (whole.thinking === undefined) found.push({ raw: text.slice(0, whole.length), calls: whole.calls });
    else think(whole.thinking);
    goOn(text.slice(whole.length));
    return true;
  }

  /** At the start of a line. False: more must come first. */
  function takeStart(): boolean {
    const blank = (quiet ? /^\s*/ : /^[^\S\n]*/).exec(rest)?.[0] ?? '';
    const text = rest.slice(blank.length);
    if (text === '' && !ended) return false;
    if (fence === undefined && refused < mostRefused) {
      const mark = marks.find(({ open }) => text.startsWith(open));
      if (mark) {
        waiting = !takeMark(blank, text, mark);
        return !waiting;
      }
      if (!ended && marks.some(({ open }) => open.startsWith(text))) return false;
    }
    const line = /^(`+|~+)([^\S\n]*)(\n?)/.exec(text);
    if (line) {
      // Only a whole line shows whether it closes a block.
      if (!ended && line[0].length === text.length && line[3] === '') return false;
      const run = line[1] ?? '';
      if (fence === undefined) fence = run.length >= 3 ? run : undefined;
      else if (run.startsWith(fence) && (line[3] !== '' || line[0].length === text.length)) fence = undefined;
    }
    // What stands between thoughts and the answer belongs to neither.
    if (!quiet || !behindMark) say(blank);
    rest = text;
    atLine = false;
    quiet = false;
    return true;
  }

  function takeThoughts(end: string): void {
    const at = rest.indexOf(end);
    if (at >= 0) {
      think(rest.slice(0, at));
      close = undefined;
      goOn(rest.slice(at + end.length));
      return;
    }
    const kept = ended ? 0 : overlapOf(rest, end);
    think(rest.slice(0, rest.length - kept));
    rest = rest.slice(rest.length - kept);
  }

  function take(): WrittenPart[] {
    rest += pending;
    pending = '';
    for (;;) {
      if (close !== undefined) {
        takeThoughts(close);
        if (close !== undefined) break;
      } else if (atLine) {
        if (rest === '' || !takeStart()) break;
      } else {
        const line = rest.indexOf('\n') + 1 || rest.length;
        if (line === 0) break;
        atLine = rest[line - 1] === '\n';
        say(rest.slice(0, line));
        rest = rest.slice(line);
      }
    }
    const taken = parts;
    parts = [];
    return taken;
  }

  return {
    push(piece) {
      pending += piece;
      return waiting && pending.length < rest.length / 8 ? [] : take();
    },
    end(read) {
      ended = true;
      const last = take();
      if (read) return [...last, ...found.map(({ raw }): WrittenPart => ({ type: 'text', text: raw }))];
      return [
        ...last,
        ...found.flatMap(({ calls }) => calls.map((call): WrittenPart => ({ type: 'call', call }))),
      ];
    },
  };
}

/** How much of the end of `text` may be the start of `mark`. */
function overlapOf(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length -= 1)
    if (text.endsWith(mark.slice(0, length))) return length;
  return 0;
}

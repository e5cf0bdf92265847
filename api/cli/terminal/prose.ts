// Draws what a model writes, as it streams: Markdown's headings, lists, quotes, code, bold and tables, with lines broken
// between words. What is not sure yet is held back: a word until it ends, bold and code until they close, a line of code or
// of a table until it is whole. Where there are no colours the marks stay, because nothing else would show them.
import { cellsOf } from './cells.ts';
import type { Output } from './output.ts';
import { drawTable } from './table.ts';

export interface Prose {
  /** The part of what was given so far that can be shown now. */
  push(text: string): string;
  /** The rest. */
  end(): string;
}

// A mark that is not closed within so many characters marks nothing: an answer must not wait for it any longer.
const mostHeld = 400;
// The beginning of a line that may still become anything.
const undecided =
  /^[ \t]*(?:#{1,6} *|> ?|\+ *|[-*_]+(?:[ \t]+[-*_]+)*[ \t]*|\d{1,9}(?:[.)] *)?|`{1,2}|~{1,2}|`{3}[^\n]*|~{3}[^\n]*|\|[^\n]*)?$/;
const rule = /^\s*([-*_])(\s*\1){2,}\s*$/;
// What a rule is drawn with on any terminal.
const ruleWidth = 40;

type Paint = (text: string) => string;
type Writer = ReturnType<typeof createWriter>;
const plain: Paint = (text) => text;

export function createProse(output: Output): Prose {
  if (!output.isTerminal) return { push: (text) => text, end: () => '' };
  const writer = createWriter(output.columns);
  const lines = createLines(output, writer);
  const { bold, cyan, isColorSupported } = output.colors;
  // The part of the line at hand that is not written yet, and the character before it.
  let rest = '';
  let before = '';
  let paint: Paint | undefined;

  /** False when more is needed. */
  function step(isLast: boolean): boolean {
    if (rest === '') return false;
    const at = rest.indexOf('\n');
    const isWhole = at >= 0 || isLast;
    const line = at < 0 ? rest : rest.slice(0, at);
    if (paint === undefined) {
      if (!isWhole && lines.isUndecided(line)) return false;
      if (isWhole && lines.take(line)) {
        rest = at < 0 ? '' : rest.slice(at + 1);
        return true;
      }
      const begun = lines.begin(line);
      paint = begun.paint;
      [rest, before] = [rest.slice(begun.marks), ''];
      return true;
    }
    if (at === 0) {
      writer.newline();
      [rest, paint] = [rest.slice(1), undefined];
      return true;
    }
    const piece = nextPiece(line, before, isWhole);
    if (piece === undefined) return false;
    const { raw, text, sign } = piece;
    const own = sign === 'code' ? cyan : bold;
    if (sign === undefined || !isColorSupported) writer.text(raw, paint);
    else writer.text(text, own);
    [rest, before] = [rest.slice(raw.length), raw.at(-1) ?? ''];
    return true;
  }

  return {
    push(text) {
      rest += text;
      while (step(false));
      return writer.taken();
    },
    end() {
      while (step(true));
      lines.end();
      writer.end();
      paint = undefined;
      return writer.taken();
    },
  };
}

interface Piece {
  raw: string;
  /** Without its marks. */
  text: string;
  sign?: 'code' | 'bold';
}

/** The next part of a line that is sure; undefined when more of the line is needed to tell. */
function nextPiece(line: string, before: string, isWhole: boolean): Piece | undefined {
  const [raw] = /^[^`*]+/.exec(line) ?? [];
  if (raw !== undefined) return { raw, text: raw };
  const [signs = ''] = /^(?:`+|\*+)/.exec(line) ?? [];
  const literal = { raw: signs, text: signs };
  if (signs.length === line.length) return isWhole ? literal : undefined;
  const isCode = signs.startsWith('`');
  // Italics are not drawn: a lone star is more often a pattern (`*.ts`).
  if (!isCode && (signs !== '**' || /[\p{L}\p{N}]/u.test(before) || /\s/.test(line.charAt(2))))
    return literal;
  const near = line.slice(0, mostHeld);
  const closed = isCode ? /^(`+)(?!`)(.+?)(?<!`)\1(?!`)/.exec(near) : /^(\*\*)(.*?\S)\*\*(?!\*)/.exec(near);
  // What follows may make the mark a longer one.
  const isSure = closed !== null && (isWhole || closed[0].length < line.length);
  if (isSure) return { raw: closed[0], text: closed[2] ?? '', sign: isCode ? 'code' : 'bold' };
  return isWhole || line.length > mostHeld ? literal : undefined;
}

/** What a line is by its beginning: code, a row of a table, a rule, or text with a mark before it. */
function createLines({ colors, columns }: Output, writer: Writer) {
  const { bold, cyan, dim, isColorSupported } = colors;
  let fence: string | undefined;
  let table: string[] = [];

  function end(): void {
    if (table.length > 0) writer.line(toTable(table, { columns, colors }));
    [table, fence] = [[], undefined];
  }

  /** Code between fences; the fences themselves are not drawn. */
  function takeCode(line: string): boolean {
    const isFence = new RegExp(`^\\s*${fence}[\`~]*\\s*$`).test(line);
    if (isFence) fence = undefined;
    if (!isColorSupported) writer.line(line);
    else if (!isFence) writer.line(`  ${cyan(line)}`);
    return true;
  }

  return {
    end,
    isUndecided: (line: string): boolean => fence !== undefined || undecided.test(line),
    /** True for a line that is drawn as a whole. */
    take(line: string): boolean {
      if (fence !== undefined) return takeCode(line);
      if (/^\s*\|.*\|\s*$/.test(line)) return table.push(line) > 0;
      end();
      fence = /^\s*(`{3,}|~{3,})[^`]*$/.exec(line)?.[1];
      if (fence !== undefined) {
        if (!isColorSupported) writer.line(line);
        return true;
      }
      if (!rule.test(line) || !isColorSupported) return false;
      writer.line(dim('─'.repeat(Math.min(columns, ruleWidth))));
      return true;
    },
    /** Writes the mark of a line of text; how long it was, and how the text is painted. */
    begin(line: string): { marks: number; paint: Paint } {
      end();
      const [marks = '', indent = '', sign = ''] =
        /^([ \t]*)(#{1,6} +|> ?|[-*+] +|\d{1,9}[.)] +)?/.exec(line) ?? [];
      const isHeading = sign.startsWith('#');
      const isQuote = sign.startsWith('>');
      const drawn = isHeading ? '' : isQuote ? dim('│ ') : sign;
      writer.begin(indent + (isColorSupported ? drawn : sign), isHeading ? 0 : cellsOf(indent + sign));
      return { marks: marks.length, paint: isHeading ? bold : plain };
    },
  };
}

/** As a table where its second row is a rule; else the lines as they are. */
function toTable(lines: string[], output: Pick<Output, 'columns' | 'colors'>): string {
  const isDrawn = output.colors.isColorSupported;
  // A cell is short: its marks are left out rather than drawn.
  const toText = (cell: string): string => {
    const text = cell.trim().replaceAll('\\|', '|');
    return isDrawn ? text.replace(/\*\*(\S.*?)\*\*/g, '$1').replace(/`([^`]+)`/g, '$1') : text;
  };
  const [head = [], second = [], ...body] = lines.map((line) =>
    line
      .trim()
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map(toText),
  );
  if (second.length === 0 || !second.every((cell) => /^:?-+:?$/.test(cell))) return lines.join('\n');
  const even = body.map((row) => head.map((_, column) => row[column] ?? ''));
  return drawTable(output, head, even);
}

/** Breaks lines between words; a word waits until it ends, because only then is known where it stands. */
function createWriter(columns: number) {
  let out = '';
  let word: { text: string; paint: Paint }[] = [];
  let column = 0;
  let hanging = 0;
  // Spaces before the word; at the end of a line they go.
  let gap = '';

  function endWord(): void {
    if (word.length === 0) return;
    const cells = cellsOf(word.map(({ text }) => text).join(''));
    const isBroken = column > hanging && column + gap.length + cells > columns;
    out += isBroken ? `\n${' '.repeat(hanging)}` : gap;
    out += word.map(({ text, paint }) => paint(text)).join('');
    column = (isBroken ? hanging : column + gap.length) + cells;
    [word, gap] = [[], ''];
  }

  function end(): void {
    endWord();
    [column, hanging, gap] = [0, 0, ''];
  }

  return {
    end,
    newline(): void {
      end();
      out += '\n';
    },
    /** The marks at the beginning of a line; lines that it is broken into are indented as much. */
    begin(marks: string, indent: number): void {
      out += marks;
      column = cellsOf(marks);
      hanging = indent > columns / 2 ? 0 : indent;
    },
    text(text: string, paint: Paint): void {
      for (const part of text.split(/([ \t]+)/)) {
        const last = word.at(-1);
        if (/^[ \t]/.test(part)) {
          endWord();
          gap += part.replaceAll('\t', ' ');
        } else if (last?.paint === paint) last.text += part;
        else if (part !== '') word.push({ text: part, paint });
      }
    },
    line(text: string): void {
      out += `${text}\n`;
    },
    taken(): string {
      const text = out;
      out = '';
      return text;
    },
  };
}

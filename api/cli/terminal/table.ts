// Draws tables: aligned where they fit the terminal, with cells of several lines where that is enough, else as a block of
// lines for each row. Into a pipe each row is one line and each cell is whole: a script cuts it with awk, or takes --json.
import { cellsOf, padTo, wrapWords } from './cells.ts';
import type { Output } from './output.ts';
import { printableLine } from './printable.ts';

export type Cell = string | number | null;

const gap = '  ';
// Of a reason or a prompt in a table: about four lines. `show` and --json have the whole.
const mostOnTerminal = 300;
const mostInPipe = 2_000;
// A row that is higher than this is better read as a block of its own.
const mostLines = 4;
// Cells up to this width stay on one line: an age and an amount are read at a glance.
const unbrokenWidth = 8;

type Rows = string[][];

export function tableOf(output: Output, head: string[], rows: Cell[][]): string {
  const most = output.isTerminal ? mostOnTerminal : mostInPipe;
  const texts = rows.map((row) => row.map((cell) => firstWords(String(cell ?? '') || '-', most)));
  if (output.isTerminal) return drawTable(output, head, texts);
  return aligned(output.colors.dim, widthsOf(head, texts, cellsOf), head, texts);
}

/** Within the columns of a terminal, with each cell whole. */
export function drawTable(
  { colors, columns }: Pick<Output, 'colors' | 'columns'>,
  head: string[],
  rows: Rows,
): string {
  const natural = widthsOf(head, rows, cellsOf);
  if (total(natural) <= columns) return aligned(colors.dim, natural, head, rows);
  const widths = narrowed(head, rows, natural, columns);
  const fits = widths !== undefined && rows.every((row) => heightOf(row, widths) <= mostLines);
  return fits ? aligned(colors.dim, widths, head, rows) : blocks(colors.dim, columns, head, rows);
}

/** Names and what they are, a line each. */
export function fieldsOf(output: Output, fields: [name: string, value: Cell][]): string {
  const names = fields.map(([name]) => name);
  const values = fields.map(([, value]) => firstWords(String(value ?? '-'), mostInPipe));
  return blocks(output.colors.dim, output.isTerminal ? output.columns : Infinity, names, [values]);
}

/** One line of at most `most` characters, of whole words where they are not too long; `…` says that there is more. */
export function firstWords(text: string, most: number): string {
  const line = printableLine(text, most + 1);
  if (Array.from(line).length <= most) return line;
  const cut = Array.from(line)
    .slice(0, most - 1)
    .join('');
  const at = cut.lastIndexOf(' ');
  // A word that is most of it is cut: before it stands too little.
  return at > most / 2 ? `${cut.slice(0, at)} …` : `${cut}…`;
}

function widthsOf(head: string[], rows: Rows, of: (text: string) => number): number[] {
  return head.map((title, column) => Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map(of)));
}

function total(widths: number[]): number {
  return widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1));
}

/** Widths that fit and hold each word; undefined when there are none. The widest columns give up room first. */
function narrowed(head: string[], rows: Rows, natural: number[], columns: number): number[] | undefined {
  const least = widthsOf(head, rows, (text) => Math.max(...text.split(' ').map(cellsOf)));
  for (let cap = Math.max(...natural); cap >= unbrokenWidth; cap -= 1) {
    const widths = natural.map((width, column) => Math.max(least[column] ?? 0, Math.min(width, cap)));
    if (total(widths) <= columns) return widths;
  }
  return undefined;
}

function heightOf(row: string[], widths: number[]): number {
  return Math.max(...row.map((text, column) => wrapWords(text, widths[column] ?? 0).length));
}

function aligned(dim: (text: string) => string, widths: number[], head: string[], rows: Rows): string {
  const draw = (row: string[]): string[] => {
    const cells = row.map((text, column) => wrapWords(text, widths[column] ?? 0));
    return Array.from({ length: Math.max(...cells.map((lines) => lines.length)) }, (_, line) =>
      cells
        .map((lines, column) => padTo(lines[line] ?? '', widths[column] ?? 0))
        .join(gap)
        .trimEnd(),
    );
  };
  return [...draw(head).map(dim), ...rows.flatMap(draw)].join('\n');
}

function blocks(dim: (text: string) => string, columns: number, head: string[], rows: Rows): string {
  const label = Math.max(...head.map(cellsOf)) + gap.length;
  const draw = (row: string[]): string =>
    row
      .flatMap((text, column) =>
        wrapWords(text, columns - label).map((line, index) =>
          `${dim(padTo(index === 0 ? (head[column] ?? '') : '', label))}${line}`.trimEnd(),
        ),
      )
      .join('\n');
  return rows.map(draw).join('\n\n');
}

// Applies the hunks of one file to its content. Each is placed in the file as it was: their order does not matter.
import { byteOrderMark, type Line, type LineEnd, toLines } from '../lines.ts';
import type { Hunk } from './file-patch.ts';
import { claim, type Claims, indexOf, mostEffort, type Placed, placeHunk, type Target } from './place.ts';

/**
 * Line ends: a hunk whose lines are the file's to the last byte is taken as it is written. Any other is fitted: its new
 * lines end as the lines they replace, or as the line before them, and the file's last line keeps having an end or
 * none. The byte order mark stays unless the patch itself speaks of it.
 *
 * Content in and out is latin1. The problem is a sentence without its subject, of the hunk with that number.
 */
export function applyHunks(
  content: string,
  hunks: readonly Hunk[],
): { content: string } | { hunk: number; problem: string } {
  const speaksOfMark = hunks.some(({ lines }) => lines.some(({ text }) => text.startsWith(byteOrderMark)));
  const mark = !speaksOfMark && content.startsWith(byteOrderMark) ? byteOrderMark : '';
  const file = toLines(content.slice(mark.length));
  const index = indexOf(file);
  const effort = { left: mostEffort };
  const claims: Claims = { spoken: new Map(), removed: new Map(), added: new Map() };
  const placed: Placed[] = [];
  for (const [at, hunk] of hunks.entries()) {
    const target: Target = { lines: file, index, placed, claims, effort };
    const found = placeHunk(hunk, target);
    if ('problem' in found) return { hunk: at, ...found };
    placed.push(found);
    claim(found, claims);
  }
  return { content: mark + assemble(file, placed) };
}

function assemble(file: readonly Line[], placed: readonly Placed[]): string {
  const removed = new Set<number>();
  const added = new Map<number, Line[]>();
  for (const each of placed) {
    const isExact = isVerbatim(file, each);
    let at = each.start;
    let replaced: LineEnd[] = [];
    for (const { sign, text, end } of each.lines) {
      if (sign === '+') {
        const own = replaced.shift() ?? endNear(file, at);
        const line = { text, end: isExact ? end : endsWithout(file, each, end, own) };
        added.set(at, [...(added.get(at) ?? []), line]);
        continue;
      }
      if (sign === '-') {
        removed.add(at);
        replaced.push((file[at] as Line).end);
      } else {
        replaced = [];
      }
      at += 1;
    }
  }
  const lines = [...file, undefined].flatMap((line, at) => [
    ...(added.get(at) ?? []),
    ...(line === undefined || removed.has(at) ? [] : [line]),
  ]);
  return join(lines, lastIsBare(file, placed, lines.at(-1)));
}

function isVerbatim(file: readonly Line[], { lines, start, hunk }: Placed): boolean {
  const old = lines.filter(({ sign }) => sign !== '+');
  // New lines at `*** End of File` alone: there is no line of the file to compare.
  if (old.length === 0) return file.length === 0 || !hunk.isAtEnd;
  return old.every(({ text, end }, offset) => {
    const line = file[start + offset];
    return line?.text === text && line.end === end;
  });
}

/** The end of the lines around, where there is one. */
function endNear(file: readonly Line[], at: number): LineEnd {
  const near = [file[at - 1], file[at], file[at - 2]].map((line) => line?.end);
  return near.find((end) => end !== undefined && end !== '') ?? '\n';
}

function endsWithout(file: readonly Line[], { end: behind }: Placed, said: LineEnd, own: LineEnd): LineEnd {
  if (said === '') return '';
  return own === '' ? endNear(file, behind - 1) : own;
}

/** Whether a new last line has no end, as the last line before: nothing in the patch spoke of it. */
function lastIsBare(file: readonly Line[], placed: readonly Placed[], last: Line | undefined): boolean {
  if (file.at(-1)?.end !== '' || last === undefined || file.includes(last)) return false;
  return placed.find(({ end }) => end === file.length)?.lines.every(({ end }) => end !== '') ?? false;
}

function join(lines: readonly Line[], isBare: boolean): string {
  return lines
    .map(({ text, end }, at) => {
      if (at === lines.length - 1) return text + (isBare ? '' : end);
      return text + (end === '' ? endNear(lines, at) : end);
    })
    .join('');
}

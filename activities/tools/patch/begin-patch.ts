// Reads the format that starts with `*** Begin Patch`: sections by file, hunks without numbers that follow each other
// in the order of the file.
import { toLatin1 } from '../lines.ts';
import { type FilePatch, type Hunk, UnreadablePatch } from './file-patch.ts';
import { cleanName } from './names.ts';
import { blanksAtEnd, hintOf, toHunkLines } from './unified.ts';

const opening = /^\*\*\* (?<what>Add|Delete|Update) File: (?<path>.*\S)\s*$/;
const moving = /^\*\*\* Move to: (?<path>.*\S)\s*$/;

export function isBeginPatch(lines: readonly string[]): boolean {
  const first = lines.find((line) => line.trim() !== '') ?? '';
  return first.trim() === '*** Begin Patch' || opening.test(first);
}

export function readBeginPatch(lines: readonly string[]): FilePatch[] {
  const hasStart = lines.some((line) => line.trim() === '*** Begin Patch');
  const end = lines.findIndex((line) => line.trim() === '*** End Patch');
  // Without its end it may have been cut off.
  if (hasStart && end < 0) throw new UnreadablePatch('The patch ends without `*** End Patch`.');
  const all = end < 0 ? lines : lines.slice(0, end);
  const files: FilePatch[] = [];
  for (let at = 0; at < all.length; ) {
    const line = all[at] as string;
    const groups = opening.exec(line)?.groups;
    if (groups !== undefined) {
      const next = all.findIndex((each, index) => index > at && opening.test(each));
      const stop = next < 0 ? all.length : next;
      files.push(
        readFile(groups['what'] ?? '', cleanName(groups['path'] ?? ''), all.slice(at + 1, stop), at + 1),
      );
      at = stop;
    } else {
      if (line.trim() !== '' && !/^\*\*\* (Begin Patch|Environment ID: .*)\s*$/.test(line))
        throw stray(line, at);
      at += 1;
    }
  }
  if (files.length === 0)
    throw new UnreadablePatch('The patch names no file; it needs `*** Update File: file`.');
  return files;
}

/** `above`: how many lines of the patch stand above these. */
function readFile(what: string, path: string, body: readonly string[], above: number): FilePatch {
  const whole = { isCopy: false, isWhole: true };
  if (what === 'Delete') {
    const index = body.findIndex((line) => line.trim() !== '');
    if (index >= 0) throw stray(body[index] as string, above + index);
    return { ...whole, from: path, to: undefined, hunks: [] };
  }
  if (what === 'Add') {
    const lines = toHunkLines(body.slice(0, body.length - blanksAtEnd(body)), above);
    const index = lines.findIndex(({ sign }) => sign !== '+');
    if (index >= 0) throw stray(body[index] as string, above + index);
    return { ...whole, from: undefined, to: path, hunks: [hunkOf(above, [], false, lines, 0)] };
  }
  const to = moving.exec(body[0] ?? '')?.groups?.['path'];
  const skipped = to === undefined ? 0 : 1;
  const hunks = readHunks(body.slice(skipped), above + skipped);
  if (hunks.length === 0 && to === undefined)
    throw new UnreadablePatch(`The patch changes nothing in \`${path}\`.`);
  return { from: path, to: to === undefined ? path : cleanName(to), isCopy: false, isWhole: false, hunks };
}

function readHunks(body: readonly string[], above: number): Hunk[] {
  const hunks: Hunk[] = [];
  const isHeader = (line: string | undefined): boolean => line === '@@' || line?.startsWith('@@ ') === true;
  const isEnd = (line: string | undefined): boolean => line?.trimEnd() === '*** End of File';
  for (let at = 0; at < body.length; ) {
    const start = at;
    const after: string[] = [];
    while (isHeader(body[at])) after.push(...hintOf(body[at++] as string));
    const first = at;
    while (at < body.length && !isHeader(body[at]) && !isEnd(body[at])) at += 1;
    const lines = body.slice(first, at);
    const isAtEnd = isEnd(body[at]);
    if (isAtEnd) at += 1;
    if (lines.every((line) => line.trim() === '') && !isAtEnd) continue;
    hunks.push(
      hunkOf(above + start + 1, after, isAtEnd, toHunkLines(lines, above + first), blanksAtEnd(lines)),
    );
  }
  return hunks;
}

function hunkOf(at: number, after: string[], isAtEnd: boolean, lines: Hunk['lines'], blanks: number): Hunk {
  return { at, place: undefined, after, isAtEnd, lines, blanks };
}

function stray(line: string, at: number): UnreadablePatch {
  const shown = toLatin1(line).length > 80 ? `${line.slice(0, 80)}…` : line;
  return new UnreadablePatch(
    `The patch cannot be read: line ${at + 1}, ${JSON.stringify(shown)}, does not belong there.`,
  );
}

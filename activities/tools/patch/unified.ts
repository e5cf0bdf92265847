// Reads unified diffs as models write them: counts that are wrong, `@@` without numbers, blank lines without their
// space. Nothing is passed over in silence: a line that may be part of a change and stands in no hunk makes the whole
// unreadable.
import { toLatin1 } from '../lines.ts';
import { type FilePatch, type Hunk, type HunkLine, UnreadablePatch } from './file-patch.ts';
import { namesIn, namesNothing } from './names.ts';

const numbered = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))?(?: @@|\s*$)/;
const extended =
  /^(index |old mode |new mode |new file mode |deleted file mode |similarity index |dissimilarity index |rename (from|to) |copy (from|to) |Binary files )/;
// Of mails that carry patches, and of other programs that write them.
const mail = /^From [0-9a-f]{40} /;
const separator = /^(Index: |={20,}|Only in |\\ )/;

interface Section {
  at: number;
  header: string[];
  hunks: Hunk[];
}

export function readUnified(lines: readonly string[]): FilePatch[] {
  const sections = sectionsOf(lines);
  if (sections.length === 0) throw new UnreadablePatch(namesNothing);
  return sections.map(({ header, hunks }) => {
    const names = namesIn(header);
    const isSaid = names.from === undefined || names.to === undefined || names.from !== names.to;
    if (hunks.length === 0 && !isSaid) {
      const isMode = header.some((line) => line.startsWith('new mode '));
      throw new UnreadablePatch(
        isMode
          ? `The patch changes only the mode of \`${names.to}\`; use a command for that.`
          : `The patch changes nothing in \`${names.to}\`.`,
      );
    }
    return { ...names, isWhole: false, hunks };
  });
}

function sectionsOf(lines: readonly string[]): Section[] {
  const sections: Section[] = [];
  let isMail = false;
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string;
    const section = sections.at(-1);
    if (line.startsWith('diff --git ')) {
      sections.push({ at, header: [line], hunks: [] });
      isMail = false;
      at += 1;
    } else if (isNames(lines, at)) {
      const names = lines.slice(at, at + 2);
      if (section !== undefined && isOpenFor(section, names)) section.header.push(...names);
      else sections.push({ at, header: names, hunks: [] });
      isMail = false;
      at += 2;
    } else if (isHunkHeader(line)) {
      if (section === undefined || isMail) throw new UnreadablePatch(namesNothing);
      const { hunk, end } = readHunk(lines, at);
      section.hunks.push(hunk);
      at = end;
    } else if (section?.hunks.length === 0 && extended.test(line)) {
      section.header.push(line);
      at += 1;
    } else {
      isMail ||= mail.test(line) || isSignature(lines, at);
      if (!isMail && section !== undefined && line.trim() !== '' && !separator.test(line))
        throw stray(line, at);
      at += 1;
    }
  }
  return sections;
}

function stray(line: string, at: number): UnreadablePatch {
  if (line === 'GIT binary patch') return new UnreadablePatch('The patch is binary.');
  const shown = JSON.stringify(line.slice(0, 80));
  return new UnreadablePatch(
    `The patch cannot be read: line ${at + 1}, ${shown}, is neither a header nor a line that starts with a space, + or -.`,
  );
}

function isNames(lines: readonly string[], at: number): boolean {
  return /^--- \S/.test(lines[at] ?? '') && /^\+\+\+ \S/.test(lines[at + 1] ?? '');
}

/** Whether these names belong to the header of git above them, and not to a file of their own behind it. */
function isOpenFor({ header, hunks }: Section, names: readonly string[]): boolean {
  if (hunks.length > 0 || header.some((line) => line.startsWith('--- '))) return false;
  return names
    .map((line) => line.slice(4).split('\t')[0]?.trim() ?? '')
    .every((name) => name === '/dev/null' || header[0]?.includes(name) === true);
}

function isHunkHeader(line: string): boolean {
  if (line.startsWith('@@@'))
    throw new UnreadablePatch('The patch is a combined diff of a merge; send a plain one.');
  return line === '@@' || line.startsWith('@@ ');
}

/** The end of a patch as git mails it. */
function isSignature(lines: readonly string[], at: number): boolean {
  return /^-- ?$/.test(lines[at] ?? '') && /^\d+\.\d+/.test(lines[at + 1] ?? '');
}

/** Whether what stands here is no line of a hunk. Two header lines look like a removal and an addition. */
function isBoundary(lines: readonly string[], at: number): boolean {
  const line = lines[at];
  if (line === undefined || isHunkHeader(line) || line.startsWith('diff --git ')) return true;
  if (mail.test(line) || separator.test(line) || isSignature(lines, at)) return !line.startsWith('\\');
  const below = lines[at + 2];
  return isNames(lines, at) && (below === undefined || below.trim() === '' || isHunkHeader(below));
}

function readHunk(lines: readonly string[], start: number): { hunk: Hunk; end: number } {
  const header = lines[start] as string;
  const found = numbered.exec(header);
  const counts = found && { old: Number(found[2] ?? 1), now: Number(found[4] ?? 1) };
  const byCounts = counts && endByCounts(lines, start + 1, counts);
  const end = byCounts ?? endByBoundary(lines, start + 1);
  const body = lines.slice(start + 1, end);
  const hunk: Hunk = {
    at: start + 1,
    place: found
      ? { oldStart: Number(found[1]), newStart: Number(found[3]), isCounted: typeof byCounts === 'number' }
      : undefined,
    after: found ? [] : hintOf(header),
    isAtEnd: false,
    lines: toHunkLines(body, start + 1),
    // By right counts they are the file's.
    blanks: byCounts === undefined || byCounts === null ? blanksAtEnd(body) : 0,
  };
  return { hunk, end };
}

/** What stands behind a bare `@@`: a line of the file, unless it is there to leave something out. */
export function hintOf(header: string): string[] {
  const hint = header
    .slice(2)
    .replace(/@@\s*$/, '')
    .trim();
  return /^[-+.…, \d]*$/.test(hint) ? [] : [toLatin1(hint)];
}

/** Where the hunk ends by its counts; undefined when they are wrong: as git, the lines are counted then. */
function endByCounts(
  lines: readonly string[],
  start: number,
  { old, now }: { old: number; now: number },
): number | undefined {
  let at = start;
  for (let [oldLeft, nowLeft] = [old, now]; oldLeft > 0 || nowLeft > 0; at += 1) {
    const line = lines[at];
    if (line === undefined) return undefined;
    const sign = line[0] ?? ' ';
    if (sign === '\\') continue;
    if (sign !== ' ' && sign !== '-' && sign !== '+') return undefined;
    if (sign !== '+') oldLeft -= 1;
    if (sign !== '-') nowLeft -= 1;
    if (oldLeft < 0 || nowLeft < 0) return undefined;
  }
  while (lines[at]?.startsWith('\\')) at += 1;
  let next = at;
  while (lines[next]?.trim() === '') next += 1;
  return isBoundary(lines, next) ? at : undefined;
}

function endByBoundary(lines: readonly string[], start: number): number {
  let at = start;
  while (!isBoundary(lines, at)) at += 1;
  return at;
}

export function blanksAtEnd(body: readonly string[]): number {
  const last = body.findLastIndex((line) => line.replace(/\r$/, '') !== '');
  return body.length - 1 - last;
}

/** `above`: how many lines of the patch stand above these. */
export function toHunkLines(body: readonly string[], above: number): HunkLine[] {
  const lines: HunkLine[] = [];
  for (const [index, raw] of body.entries()) {
    const sign = raw === '' || raw === '\r' ? ' ' : raw[0];
    const last = lines.at(-1);
    if (sign === '\\') {
      if (last === undefined) throw stray(raw, above + index);
      last.end = '';
    } else if (sign === ' ' || sign === '-' || sign === '+') {
      const isCrlf = raw.endsWith('\r');
      const text = toLatin1(raw === '' || raw === '\r' ? '' : raw.slice(1, isCrlf ? -1 : undefined));
      lines.push({ sign, text, end: isCrlf ? '\r\n' : '\n' });
    } else {
      throw stray(raw, above + index);
    }
  }
  return lines;
}

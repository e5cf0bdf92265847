// Where a hunk belongs. It is put where it fits: at the line it names, or at the only place there is. Where several
// places fit and its own line does not settle it, it is refused, and so is a hunk that meets another one: a wrong guess
// would damage the file without a word.
import type { Line } from '../lines.ts';
import type { Hunk, HunkLine } from './file-patch.ts';

export interface Placed {
  hunk: Hunk;
  /** Its lines as they fit. */
  lines: readonly HunkLine[];
  /** The first line of the file it speaks of, from 0, and the line after the last one. */
  start: number;
  end: number;
}

/** The lines of a file by their text, so that a hunk is not held against each of them. */
export type LineIndex = ReadonlyMap<string, readonly number[]>;

export interface Target {
  lines: readonly Line[];
  index: LineIndex;
  placed: readonly Placed[];
  claims: Claims;
  /** How many comparisons the hunks of this file may still take. */
  effort: { left: number };
}

/** Which hunk speaks of a line, removes it, adds lines before it. */
export interface Claims {
  spoken: Map<number, Placed>;
  removed: Map<number, Placed>;
  added: Map<number, Placed>;
}

// A second of a processor. Nothing else runs meanwhile, and only files of the same few lines over and over need more.
export const mostEffort = 50_000_000;

export function indexOf(lines: readonly Line[]): LineIndex {
  const index = new Map<string, number[]>();
  for (const [at, { text }] of lines.entries()) {
    const key = text.trimEnd();
    const known = index.get(key);
    if (known === undefined) index.set(key, [at]);
    else known.push(at);
  }
  return index;
}

/** A sentence without its subject when it has no place: "does not fit: …". */
export function placeHunk(hunk: Hunk, target: Target): Placed | { problem: string } {
  const whole = hunk.lines;
  const short = whole.slice(0, whole.length - hunk.blanks);
  for (const isLoose of [false, true]) {
    for (const lines of hunk.blanks === 0 ? [whole] : [whole, short]) {
      const old = lines.filter(({ sign }) => sign !== '+');
      if (old.length === 0) return placeWithoutLines(hunk, lines, target);
      const starts = fits(old, lines, target, isLoose);
      // Each of them is held against the claims of the others.
      target.effort.left -= starts.length * 20;
      if (target.effort.left < 0)
        return { problem: 'is too much to place; change the file with edit or write.' };
      if (starts.length === 0) continue;
      const toPlaced = (start: number): Placed => ({ hunk, lines, start, end: start + old.length });
      return choose(starts.map(toPlaced), hunk, target);
    }
  }
  return { problem: 'does not fit: its context differs. Read the file again.' };
}

function placeWithoutLines(
  hunk: Hunk,
  lines: readonly HunkLine[],
  target: Target,
): ReturnType<typeof placeHunk> {
  const end = target.lines.length;
  const start = end === 0 || hunk.isAtEnd ? end : lineBefore(hunk, target);
  if (start === undefined) {
    return {
      problem:
        'holds no line of the file, so its place is not certain. Give it the line before the new ones, with a space in front.',
    };
  }
  const placed = { hunk, lines, start, end: start };
  const other = meeting(placed, target.claims);
  return other === undefined
    ? placed
    : { problem: `meets hunk ${nameOf(other, target)}: they change the same lines.` };
}

/**
 * How many lines of the file stand before new lines without any of the file's, by a header whose numbers agree with each
 * other: its counts are right, and the new lines follow the old one, as far as it has moved by the hunks before. Line 0
 * is what a patch says that takes the file for a new one.
 */
function lineBefore({ place }: Hunk, { lines, placed }: Target): number | undefined {
  if (place === undefined || !place.isCounted) return undefined;
  const { oldStart, newStart } = place;
  if (oldStart < 1 || oldStart > lines.length) return undefined;
  return newStart === oldStart + 1 + growthBefore(oldStart, placed) ? oldStart : undefined;
}

function fits(
  old: readonly HunkLine[],
  lines: readonly HunkLine[],
  { lines: file, index, effort }: Target,
  isLoose: boolean,
): number[] {
  const endsFile = lines.findLast(({ sign }) => sign !== '-')?.end === '';
  // The rarest of its lines has the fewest places to look at.
  const rarest = old
    .map(({ text }, offset) => ({ offset, places: index.get(text.trimEnd()) ?? [] }))
    .reduce((best, each) => (each.places.length < best.places.length ? each : best));
  effort.left -= rarest.places.length * old.length;
  if (effort.left < 0) return [];
  return rarest.places
    .map((place) => place - rarest.offset)
    .filter((start) => {
      if (start < 0 || start + old.length > file.length) return false;
      if (endsFile && start + old.length < file.length) return false;
      return old.every((line, offset) => matches(line, file[start + offset] as Line, isLoose));
    });
}

/** Line ends are the file's own, but what is said to end without one does. */
function matches(wanted: HunkLine, line: Line, isLoose: boolean): boolean {
  if (wanted.end === '' && line.end !== '') return false;
  return isLoose ? wanted.text.trimEnd() === line.text.trimEnd() : wanted.text === line.text;
}

function choose(candidates: Placed[], hunk: Hunk, target: Target): Placed | { problem: string } {
  const { claims, lines } = target;
  const wanted = hunk.isAtEnd ? candidates.filter(({ end }) => end === lines.length) : candidates;
  const named = wanted.find(({ start }) => start + 1 === Math.max(1, hunk.place?.oldStart ?? 0));
  const free = wanted.filter((each) => meeting(each, claims) === undefined);
  const taken = hunk.place === undefined || named === undefined ? wanted[0] : named;
  const other = taken && meeting(taken, claims);
  if (other !== undefined && (free.length === 0 || taken === named)) {
    return { problem: `meets hunk ${nameOf(other, target)}: they change the same lines.` };
  }
  const ambiguous = { problem: `fits ${placesOf(free)}; give it more lines of context.` };
  if (hunk.place === undefined) return chooseInOrder(free, hunk, target) ?? ambiguous;
  if (free.length === 1) return free[0] as Placed;
  if (named === undefined) return ambiguous;
  const gits = asGitChooses(free, hunk, hunk.place.newStart, target);
  return gits === undefined || gits === named ? named : ambiguous;
}

/** Hunks without numbers stand in the order of the file. */
function chooseInOrder(
  free: readonly Placed[],
  { after }: Hunk,
  { lines, placed }: Target,
): Placed | { problem: string } | undefined {
  let from = placed.at(-1)?.end ?? 0;
  let isVague = false;
  for (const hint of after) {
    const places = placesOfHint(lines, hint, from) ?? placesOfHint(lines, hint, 0);
    if (places === undefined) {
      const shown = Buffer.from(hint, 'latin1').toString('utf8');
      return { problem: `comes after \`${shown.slice(0, 80)}\`, which is no line of the file.` };
    }
    isVague ||= places.length > 1;
    from = places[0] as number;
  }
  const behind = free.filter(({ start }) => start >= from);
  // A line that is there once says which of several places is meant: the next one.
  if (behind.length === 1 || (after.length > 0 && !isVague)) return behind[0];
  return behind.length === 0 && after.length === 0 && free.length === 1 ? free[0] : undefined;
}

function placesOfHint(lines: readonly Line[], hint: string, from: number): number[] | undefined {
  const places = (isIt: (text: string) => boolean): number[] =>
    lines.flatMap(({ text }, at) => (at >= from && isIt(text.trim()) ? [at] : []));
  const whole = places((text) => text === hint.trim());
  const found = whole.length > 0 ? whole : places((text) => text.startsWith(hint.trim()));
  return found.length > 0 ? found : undefined;
}

/**
 * Where `git apply` would put it: the nearest place to its new line in the file as changed so far, not touching an
 * earlier hunk. Undefined where git refuses. Where git and the hunk's own line differ, nothing is certain.
 */
function asGitChooses(
  free: readonly Placed[],
  hunk: Hunk,
  newStart: number,
  { lines, placed, claims, effort }: Target,
): Placed | undefined {
  const startsFile = (hunk.place?.oldStart ?? 0) <= 1;
  const endsFile = hunk.lines.at(-1)?.sign !== ' ';
  const isBare = ({ start, end }: Placed): boolean => {
    for (let at = start; at < end; at += 1) if (claims.spoken.has(at)) return false;
    return true;
  };
  const allowed = free.filter(
    (each) => (!startsFile || each.start === 0) && (!endsFile || each.end === lines.length) && isBare(each),
  );
  effort.left -= allowed.length * placed.length;
  const distances = allowed.map(({ start }) => {
    const away = start + growthBefore(start, placed) - Math.max(0, newStart - 1);
    // Of two as near, git takes the one further down.
    return away >= 0 ? 2 * away - 1 : -2 * away;
  });
  const least = distances.reduce((best, each) => Math.min(best, each), Number.POSITIVE_INFINITY);
  return allowed[distances.indexOf(least)];
}

/** By how much the hunks that have their place move the line that is there. */
function growthBefore(line: number, placed: readonly Placed[]): number {
  return placed.reduce((sum, each) => sum + (each.start < line ? growthOf(each) : 0), 0);
}

function growthOf({ lines }: Placed): number {
  return lines.reduce((sum, { sign }) => sum + (sign === '+' ? 1 : sign === '-' ? -1 : 0), 0);
}

/** The earlier hunk that changes what this one speaks of, or the other way round. Shared context is no meeting. */
function meeting(one: Placed, { spoken, removed, added }: Claims): Placed | undefined {
  let at = one.start;
  for (const { sign } of one.lines) {
    const other =
      sign === '+' ? added.get(at) : (removed.get(at) ?? (sign === '-' ? spoken.get(at) : undefined));
    if (other !== undefined) return other;
    if (sign !== '+') at += 1;
  }
  return undefined;
}

/** Notes what a hunk that has its place speaks of. */
export function claim(one: Placed, { spoken, removed, added }: Claims): void {
  let at = one.start;
  for (const { sign } of one.lines) {
    if (sign === '+') {
      added.set(at, one);
      continue;
    }
    spoken.set(at, one);
    if (sign === '-') removed.set(at, one);
    at += 1;
  }
}

function nameOf(other: Placed, { placed }: Target): number {
  return placed.indexOf(other) + 1;
}

function placesOf(free: readonly Placed[]): string {
  const lines = free.slice(0, 5).map(({ start }) => start + 1);
  return `${free.length} places (${free.length > 5 ? 'first ' : ''}lines ${lines.join(', ')})`;
}

// The globs of a rule, compiled: which paths they match, and which globs of a shell's may name what they name.
import { braceExpand, Minimatch } from 'minimatch';
import type { Match } from './command-pattern.ts';
import { globsMeet, type NamePattern, toNamePattern } from './glob-meet.ts';
import { foldName } from './path.ts';

export interface Globs {
  match(path: string): Match;
  /** Whether a glob of the shell's may name what one of these names. */
  meets(glob: string): boolean;
}

/** Globs that forbid take no notice of case, nor of other signs for the same letters: on some disks `.ENV` is `.env`. */
export function compileGlobs(globs: readonly string[], folds: boolean): Globs {
  const fold = folds ? foldName : (text: string) => text;
  // `a/**` also names `a` itself.
  const all = globs.flatMap((glob) => (glob.endsWith('/**') ? [glob, glob.slice(0, -3)] : [glob]));
  const matches = compileAll(all.flatMap(spreadOut).map(fold), folds);
  let patterns: (NamePattern | undefined)[] | undefined;
  return {
    match(path) {
      if (path === '.') return globs.some((glob) => glob === '**' || glob === '.') ? 'yes' : 'no';
      return matches(fold(path));
    },
    meets(glob) {
      // Wildcards alone spell no name.
      if (/^[*?/]*$/.test(glob)) return false;
      patterns ??= all.flatMap(alternativesOf).map(fold).map(toNamePattern);
      const shell = toNamePattern(fold(glob));
      return patterns.some((each) => globsMeet(shell, each));
    },
  };
}

// `**/`, then names without signs of their own or an ending such as `*.pem`, then `/**` or nothing.
const looked =
  /^\*\*\/(?:\*(?<ending>\.[A-Za-z0-9_.-]+)|(?<names>[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*)(?<below>\/\*\*)?)$/;
// Names in a row; longer ones are tried one by one.
const longestRow = 3;

/** Most globs name a file, a folder or an ending anywhere: these are looked up, only the others are tried one by one. */
function compileAll(globs: readonly string[], nocase: boolean): (path: string) => Match {
  const files = new Set<string>();
  const folders = new Set<string>();
  const endings: string[] = [];
  const others: (Minimatch | undefined)[] = [];
  for (const glob of globs) {
    const { ending, names, below } = looked.exec(glob)?.groups ?? {};
    if (ending !== undefined) endings.push(ending);
    else if (names === undefined || names.split('/').length > longestRow)
      others.push(compileGlob(glob, nocase));
    else (below === undefined ? files : folders).add(names);
  }
  return (path) => {
    const isNamed = rowsOf(path).some(({ row, isLast }) => (isLast ? files : folders).has(row));
    const last = path.slice(path.lastIndexOf('/') + 1);
    if (isNamed || endings.some((ending) => last.endsWith(ending))) return 'yes';
    if (others.some((matcher) => matcher?.match(path))) return 'yes';
    return others.includes(undefined) ? 'maybe' : 'no';
  };
}

interface Row {
  row: string;
  isLast: boolean;
}

// Rule after rule asks about the same path.
let latest: { path: string; rows: readonly Row[] } = { path: '', rows: [] };

function rowsOf(path: string): readonly Row[] {
  if (latest.path !== path) latest = { path, rows: readRows(path.split('/')) };
  return latest.rows;
}

function readRows(names: readonly string[]): Row[] {
  return names.flatMap((_, start) => {
    const rows: Row[] = [];
    let row = '';
    for (let end = start; end < Math.min(start + longestRow, names.length); end += 1) {
      row += `${end === start ? '' : '/'}${names[end] ?? ''}`;
      rows.push({ row, isLast: end === names.length - 1 });
    }
    return rows;
  });
}

/** In a glob that is spread out, escaped signs would get their special meaning back. */
function spreadOut(glob: string): string[] {
  return glob.includes('\\') ? [glob] : alternativesOf(glob);
}

// Alternatives multiply; globs written by hand have fewer.
const mostAlternatives = 200;

/** What the braces of a glob stand for. */
export function alternativesOf(glob: string): string[] {
  return braceExpand(glob, { braceExpandMax: mostAlternatives });
}

/** Undefined when it is no glob. */
export function compileGlob(glob: string, nocase: boolean): Minimatch | undefined {
  try {
    return new Minimatch(glob, {
      dot: true,
      nocase,
      nocomment: true,
      nonegate: true,
      // The same answer on every system; paths arrive with slashes.
      platform: 'linux',
      braceExpandMax: mostAlternatives,
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return undefined;
  }
}

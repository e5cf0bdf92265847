// Paths as policy compares them: relative to the project, without `.`, `..` and doubled slashes. Lexical only: where
// a path really leads is asked again, by the tool, at the moment of use.

export type NormalPath =
  /** The project itself is `.`. Case is kept. `beside`: it lies in this project, and not in the first. */
  | { kind: 'inside'; path: string; beside?: string }
  | { kind: 'outside' }
  | { kind: 'unusable'; problem: string };

/** `beside`: other projects, absolute, that can be read under their own paths. */
export function normalizePath(path: string, root: string | null, beside: readonly string[] = []): NormalPath {
  if (path === '') return { kind: 'unusable', problem: 'the path is empty' };
  if (path.includes('\0')) return { kind: 'unusable', problem: 'the path holds a NUL character' };
  // A separator on some systems and part of a name on others: what it names depends on the system.
  if (path.includes('\\')) return { kind: 'unusable', problem: 'the path holds a backslash' };
  const names = resolve(path);
  if (names === undefined) return { kind: 'outside' };
  if (!path.startsWith('/')) return inside(names);
  const own = root === null ? undefined : namesBelow(names, root);
  if (own) return inside(own);
  for (const project of beside) {
    const below = namesBelow(names, project);
    if (below) return { ...inside(below), beside: project };
  }
  return { kind: 'outside' };
}

function namesBelow(names: string[], folder: string): string[] | undefined {
  const above = resolve(folder);
  if (above === undefined || above.some((name, index) => names[index] !== name)) return undefined;
  return names.slice(above.length);
}

function inside(names: string[]): Extract<NormalPath, { kind: 'inside' }> {
  return { kind: 'inside', path: names.length === 0 ? '.' : names.join('/') };
}

/** Undefined when it climbs above where it starts. Above `/` there is only `/`. */
function resolve(path: string): string[] | undefined {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined && !path.startsWith('/')) return undefined;
  }
  return names;
}

/** The names a word could mean as a path, wherever it leads: for rules that forbid names anywhere. */
export function looseNames(path: string): string {
  return path
    .split('/')
    .filter((name) => !['', '.', '..', '~'].includes(name))
    .join('/');
}

// Some disks take no notice of these in a name.
const ignored = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * A name as rules that forbid compare it: without case, and without other signs for the same letters (`ſ`, the Kelvin
 * sign, wide letters, composed accents). No disk folds more than this, so that it errs to forbidding.
 */
export function foldName(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  return text.normalize('NFKD').replace(ignored, '').toUpperCase().toLowerCase().normalize('NFKD');
}

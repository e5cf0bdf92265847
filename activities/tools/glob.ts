// Finds files of the project by name. Walks through the sandbox, so it sees what the other tools see; links are
// listed and not entered.
import { Minimatch } from 'minimatch';
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { dependencyFolders, SandboxRefusal, type Sandbox } from '../sandbox/sandbox.ts';
import { answer, done, failed } from './answer.ts';
import { fileSeconds, textField } from './fields.ts';
import { type IgnoreRules, isIgnored, withFiles } from './ignore-rules.ts';
import { defineTool } from './tool.ts';

// More names than this do not help a model; a narrower pattern does.
const maxMatches = 1000;
// A bound on the walk, for a project that holds a whole disk.
const maxEntries = 500_000;
// Patterns are short; alternatives multiply.
const maxPatternBytes = 1000;
const maxAlternatives = 200;

export const glob = defineTool({
  name: 'glob',
  description:
    'Finds files of the project whose path matches a pattern such as `src/**/*.{ts,tsx}`; hidden files match too. ' +
    'What ignore files name and dependency folders such as node_modules are searched only when the pattern names them.',
  input: z.strictObject({
    pattern: textField(maxPatternBytes).refine((value) => value !== '', 'must not be empty'),
  }),
  effect: 'read',
  repeat: 'safe',
  subject: (input) => input.pattern,
  timeoutSeconds: () => fileSeconds,
  run: ({ pattern }, { sandbox, signal }) =>
    answer(async () => {
      const base = [sandbox.root, ...sandbox.beside].find((each) => pattern.startsWith(`${each}/`));
      const inside = base === undefined ? pattern : pattern.slice(base.length + 1);
      if (inside.startsWith('/') || inside.split(/[/{},]/).includes('..')) {
        return failed('The pattern leads outside the project directory; patterns start in it.');
      }
      const wanted = compile(inside.replace(/^(\.\/)+/, ''));
      // Of another project, files are named by their whole paths.
      const prefix = base === undefined || base === sandbox.root ? '' : `${base}/`;
      const found = await findFiles(sandbox, prefix, wanted, false, signal);
      if (found.paths.length > 0 || !wanted.startsWithName) return done(describe(pattern, found));
      const ignored = await findFiles(sandbox, prefix, wanted, true, signal);
      const note = '\n[the project ignores these; nothing else matches]';
      return done(describe(pattern, ignored) + (ignored.paths.length > 0 ? note : ''));
    }),
});

interface Wanted {
  match(path: string): boolean;
  /** Whether something below the directory may match. */
  mayMatchBelow(directory: string): boolean;
  /** The names the pattern spells out: such a folder is meant, whatever is said of it elsewhere. */
  names: ReadonlySet<string>;
  startsWithName: boolean;
}

interface Found {
  paths: string[];
  isComplete: boolean;
  /** Dependency folders in which something may match. */
  leftOut: ReadonlySet<string>;
}

/** Names are compared in one normal form. Brackets are also a part of names: `app/[id]/page.tsx` is itself. */
function compile(pattern: string): Wanted {
  const normal = pattern.normalize('NFC');
  const options = { dot: true, nocomment: true, nonegate: true, braceExpandMax: maxAlternatives };
  const spellings = [normal];
  if (/[[(]/.test(normal) && !normal.includes('\\')) spellings.push(normal.replace(/[[\]()]/g, '\\$&'));
  const matchers = spellings.map((spelling) => new Minimatch(spelling, options));
  const parts = matchers.flatMap(({ set }) => set);
  const names = parts.flat().filter((part) => typeof part === 'string');
  return {
    match: (path) => matchers.some((matcher) => matcher.match(path.normalize('NFC'))),
    mayMatchBelow: (path) => matchers.some((matcher) => matcher.match(path.normalize('NFC'), true)),
    names: new Set(names),
    startsWithName: parts.some(([first]) => typeof first === 'string'),
  };
}

function describe(pattern: string, { paths, isComplete, leftOut }: Found): string {
  const notes = [
    ...(isComplete ? [] : ['there are more; use a narrower pattern']),
    ...(leftOut.size === 0
      ? []
      : [`left out: ${[...leftOut].join(', ')}; name one in the pattern to search it`]),
  ];
  const list =
    paths.length === 0 ? `No file matches \`${pattern}\`.` : paths.map(toStorableOutput).join('\n');
  return notes.length === 0 ? list : `${list}\n[${notes.join('; ')}]`;
}

interface Place {
  directory: string;
  rules: IgnoreRules;
  /** The pattern names it: nothing below is ignored. */
  isMeant: boolean;
}

async function findFiles(
  sandbox: Sandbox,
  prefix: string,
  wanted: Wanted,
  everything: boolean,
  signal: AbortSignal,
): Promise<Found> {
  const paths: string[] = [];
  const leftOut = new Set<string>();
  const waiting: Place[] = [{ directory: '', rules: [], isMeant: everything }];
  for (let seen = 0; waiting.length > 0; ) {
    signal.throwIfAborted();
    const place = waiting.pop() as Place;
    const entries = await entriesOf(sandbox, prefix, place.directory);
    seen += entries.length;
    const own = place.isMeant
      ? []
      : await sandbox.ignoreFiles(prefix + (place.directory || '.')).catch(unlessRefused);
    const rules = withFiles(place.rules, place.directory, own);
    const below: Place[] = [];
    for (const { name, kind } of entries) {
      const path = place.directory === '' ? name : `${place.directory}/${name}`;
      const isMeant = place.isMeant || (kind === 'directory' && wanted.names.has(name.normalize('NFC')));
      const isOut = (): boolean => !isMeant && isIgnored(rules, path, kind === 'directory' ? kind : 'file');
      if (kind !== 'directory') {
        if (wanted.match(path) && !isOut()) paths.push(prefix + path);
      } else if (wanted.mayMatchBelow(path)) {
        const isOwn = name !== '.git' || wanted.names.has(name);
        const isDependency = !isMeant && dependencyFolders.includes(name);
        if (isDependency) leftOut.add(name);
        else if (isOwn && !isOut())
          below.push({ directory: path, rules, isMeant: isMeant && isKept(place, rules, path, name) });
      }
    }
    // Hidden folders last: caches of tools must not take the place of what the project is made of.
    waiting.push(
      ...below.toReversed().toSorted((one, other) => Number(isHidden(other)) - Number(isHidden(one))),
    );
    if (paths.length > maxMatches || seen > maxEntries) {
      return { paths: paths.slice(0, maxMatches).sort(), isComplete: false, leftOut };
    }
  }
  return { paths: paths.sort(), isComplete: true, leftOut };
}

/** A folder that is named and would be left out is meant with all it holds; any other goes on by the rules. */
function isKept(place: Place, rules: IgnoreRules, path: string, name: string): boolean {
  return place.isMeant || dependencyFolders.includes(name) || isIgnored(rules, path, 'directory');
}

function isHidden({ directory }: Place): boolean {
  return directory.slice(directory.lastIndexOf('/') + 1).startsWith('.');
}

async function entriesOf(sandbox: Sandbox, prefix: string, directory: string): ReturnType<Sandbox['list']> {
  // Removed meanwhile, or not ours to read. The top must be readable.
  if (directory === '') return sandbox.list(`${prefix}.`);
  return sandbox.list(prefix + directory).catch(unlessRefused);
}

function unlessRefused(error: unknown): [] {
  if (error instanceof SandboxRefusal) return [];
  throw error;
}

// Finds files of the project by name. Walks through the sandbox, so it sees what the other tools see; links are
// listed and not entered.
import { Minimatch } from 'minimatch';
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { SandboxRefusal, type Sandbox } from '../sandbox/sandbox.ts';
import { answer, done, failed } from './answer.ts';
import { fileSeconds, textField } from './fields.ts';
import { defineTool } from './tool.ts';

// More names than this do not help a model; a narrower pattern does.
const maxMatches = 1000;
// A bound on the walk, for a project that holds a whole disk.
const maxEntries = 500_000;
// Patterns are short; alternatives multiply.
const maxPatternBytes = 1000;
const maxAlternatives = 200;
// Entered only when the pattern names them: they hold most of the files and none of the project's own.
const quietDirectories = ['.git', 'node_modules'];

export const glob = defineTool({
  name: 'glob',
  description:
    'Finds files of the project whose path matches a pattern such as `src/**/*.{ts,tsx}`; hidden files match too. ' +
    '`.git` and `node_modules` are searched only when the pattern names them.',
  input: z.strictObject({
    pattern: textField(maxPatternBytes).refine((value) => value !== '', 'must not be empty'),
  }),
  effect: 'read',
  repeat: 'safe',
  subject: (input) => input.pattern,
  timeoutSeconds: () => fileSeconds,
  run: ({ pattern }, { sandbox, signal }) =>
    answer(async () => {
      const inside = pattern.startsWith(`${sandbox.root}/`)
        ? pattern.slice(sandbox.root.length + 1)
        : pattern;
      if (inside.startsWith('/') || inside.split(/[/{},]/).includes('..')) {
        return failed('The pattern leads outside the project directory; patterns start in it.');
      }
      const { found, isComplete } = await findFiles(sandbox, inside.replace(/^(\.\/)+/, ''), signal);
      if (found.length === 0) return done(`No file matches \`${pattern}\`.`);
      const rest = isComplete ? '' : '\n[there are more; use a narrower pattern]';
      return done(found.map(toStorableOutput).join('\n') + rest);
    }),
});

async function findFiles(
  sandbox: Sandbox,
  pattern: string,
  signal: AbortSignal,
): Promise<{ found: string[]; isComplete: boolean }> {
  const matcher = new Minimatch(pattern, {
    dot: true,
    nocomment: true,
    nonegate: true,
    braceExpandMax: maxAlternatives,
  });
  const found: string[] = [];
  const waiting = [''];
  for (let seen = 0; waiting.length > 0; ) {
    signal.throwIfAborted();
    const directory = waiting.pop() as string;
    const entries = await sandbox.list(directory === '' ? '.' : directory).catch((error: unknown) => {
      // The directory was removed meanwhile, or is not ours to read. The top must be readable.
      if (directory === '' || !(error instanceof SandboxRefusal)) throw error;
      return [];
    });
    seen += entries.length;
    const below: string[] = [];
    for (const entry of entries) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.kind !== 'directory' && matcher.match(path)) found.push(path);
      const isQuiet = quietDirectories.includes(entry.name) && !pattern.includes(entry.name);
      if (entry.kind === 'directory' && !isQuiet && matcher.match(path, true)) below.push(path);
    }
    waiting.push(...below.reverse());
    if (found.length > maxMatches || seen > maxEntries) {
      return { found: found.slice(0, maxMatches).sort(), isComplete: false };
    }
  }
  return { found: found.sort(), isComplete: true };
}

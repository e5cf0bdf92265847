// Searches the contents of the project's files.
import { posix } from 'node:path';
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { dependencyFolders, type Sandbox, SandboxRefusal } from '../sandbox/sandbox.ts';
import { answer, done } from './answer.ts';
import { fileSeconds, pathField, textField } from './fields.ts';
import { defineTool } from './tool.ts';

// More lines than this do not help a model; a narrower pattern does.
const maxLines = 500;
// Longer expressions are not written by hand.
const maxPatternBytes = 1000;

export const grep = defineTool({
  name: 'grep',
  description:
    'Searches files of the project for a regular expression (ripgrep), below `path` when it is given. Hidden files ' +
    'are searched; binary files, links, what ignore files name and dependency folders such as node_modules are not, ' +
    'unless `path` leads there. Answers `path:line:text`, of a long line the part around the match.',
  input: z.strictObject({
    pattern: textField(maxPatternBytes).refine((value) => value !== '', 'must not be empty'),
    path: pathField.optional(),
  }),
  effect: 'read',
  repeat: 'safe',
  subject: (input) => input.path ?? '.',
  timeoutSeconds: () => fileSeconds,
  run: ({ pattern, path = '.' }, { sandbox, signal }) =>
    answer(async () => {
      const options = { pattern, path, signal, maxLines };
      const usual = await sandbox.search(options);
      const isAsked = usual.lines.length === 0 && !isWhole(sandbox, path);
      const { lines, truncated } = isAsked ? await sandbox.search({ ...options, everything: true }) : usual;
      const notes = [
        ...(truncated ? [`only the first ${maxLines} lines; use a narrower pattern`] : []),
        ...(isAsked && lines.length > 0 ? ['the project ignores these files; nothing else matches'] : []),
        ...(isAsked ? [] : await leftOut(sandbox, path)),
      ];
      const list =
        lines.length === 0
          ? `Nothing below \`${path}\` matches.`
          : lines.map((line) => toStorableOutput(`${line.path}:${line.line}:${line.text}`)).join('\n');
      return done(notes.length === 0 ? list : `${list}\n[${notes.join('; ')}]`);
    }),
});

/** What a whole project ignores is not what was asked for. */
function isWhole({ root, beside }: Sandbox, path: string): boolean {
  return posix.normalize(path) === '.' || [root, ...beside].includes(path.replace(/(?<=.)\/+$/, ''));
}

/** The dependency folders that stand right there; deeper ones are left out as well. */
async function leftOut(sandbox: Sandbox, path: string): Promise<string[]> {
  const entries = await sandbox.list(path).catch((error: unknown) => {
    // A file has none.
    if (error instanceof SandboxRefusal) return [];
    throw error;
  });
  const names = entries.filter(({ name, kind }) => kind === 'directory' && dependencyFolders.includes(name));
  if (names.length === 0) return [];
  return [`left out: ${names.map(({ name }) => name).join(', ')}; give it as \`path\` to search it`];
}

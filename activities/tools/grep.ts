// Searches the contents of the project's files.
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
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
    'are searched; what .gitignore names, binary files and links are not. Answers `path:line:text`.',
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
      const { lines, truncated } = await sandbox.search({ pattern, path, signal, maxLines });
      if (lines.length === 0) return done(`Nothing below \`${path}\` matches.`);
      const rest = truncated ? `\n[only the first ${maxLines} lines; use a narrower pattern]` : '';
      return done(
        lines.map((line) => toStorableOutput(`${line.path}:${line.line}:${line.text}`)).join('\n') + rest,
      );
    }),
});

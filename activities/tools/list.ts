// Lists one directory of the project.
import { z } from 'zod';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { answer, done } from './answer.ts';
import { fileSeconds, pathField } from './fields.ts';
import { defineTool } from './tool.ts';

const marks = { file: '', directory: '/', symlink: ' (link)', other: ' (device or pipe)' };

export const list = defineTool({
  name: 'list',
  description:
    'Lists a directory of the project, one name a line; directories end in a slash. The project is `.`.',
  input: z.strictObject({ path: pathField }),
  effect: 'read',
  repeat: 'safe',
  subject: (input) => input.path,
  timeoutSeconds: () => fileSeconds,
  run: (input, { sandbox }) =>
    answer(async () => {
      const entries = await sandbox.list(input.path);
      const lines = entries.map((entry) => toStorableOutput(entry.name) + marks[entry.kind]);
      return done(lines.length === 0 ? `\`${input.path}\` is empty.` : lines.join('\n'));
    }),
});

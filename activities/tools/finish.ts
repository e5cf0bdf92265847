// Ends the run after this step.
import { z } from 'zod';
import { textField } from './fields.ts';
import { defineTool } from './tool.ts';

export const finish = defineTool({
  name: 'finish',
  description: 'Ends the run. `summary` tells the person what was done and what was not.',
  // A summary; what is longer belongs into a file.
  input: z.strictObject({ summary: textField(100_000) }),
  effect: 'read',
  repeat: 'safe',
  subject: () => 'this run',
  subjectKind: 'run',
  endsRun: true,
  timeoutSeconds: () => 10,
  run: async ({ summary }) => ({ ok: true, output: summary }),
});

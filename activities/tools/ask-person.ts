// Asks a person. Nothing is run here: the answer they give is the result of the call.
import { z } from 'zod';
import { textField } from './fields.ts';
import { defineTool } from './tool.ts';

export const askPerson = defineTool({
  name: 'ask-person',
  description:
    'Asks the person a question and waits for the answer. Only for what they alone can decide; give `choices` where there are some. Nobody may be there.',
  // A question that takes longer to read is a report.
  input: z.strictObject({
    question: textField(4000),
    choices: z.array(textField(200)).max(20).optional(),
  }),
  effect: 'read',
  subjectKind: 'run',
  repeat: 'safe',
  subject: () => 'this run',
  // A person's answer is progress.
  progress: true,
  timeoutSeconds: () => 10,
  asks: ({ question, choices = [] }) => ({ text: question, choices }),
  run: async () => ({ ok: false, output: 'Nobody has answered.' }),
});

// The list a model keeps of what it means to do. It lives in the conversation and nowhere else.
import { z } from 'zod';
import { done } from './answer.ts';
import { textField } from './fields.ts';
import { defineTool } from './tool.ts';

const boxes = { pending: '[ ]', in_progress: '[~]', done: '[x]' };

export const todo = defineTool({
  name: 'todo',
  description:
    'Keeps your list of what is to be done: send the whole list each time, with the status of each item.',
  input: z.strictObject({
    items: z
      // A longer list is a plan, and no help as a list.
      .array(z.strictObject({ text: textField(1000), status: z.enum(['pending', 'in_progress', 'done']) }))
      .max(100),
  }),
  effect: 'read',
  repeat: 'safe',
  subject: () => 'todo list',
  subjectKind: 'run',
  timeoutSeconds: () => 10,
  run: async ({ items }) =>
    done(
      items.length === 0
        ? 'The list is empty.'
        : items.map((item) => `${boxes[item.status]} ${item.text}`).join('\n'),
    ),
});

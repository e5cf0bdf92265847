// Subagents: having a part of the work done by a run of its own, and hearing of it. The store accepts the runs and brings
// what they report; only a look at one is taken here.
import { z } from 'zod';
import { subagentName } from '../../workflows/contracts/delegation.ts';
import { done, failed } from './answer.ts';
import { textField } from './fields.ts';
import { defineTool } from './tool.ts';

const wanted = z.strictObject({
  // What is longer belongs into a file, which a subagent can read.
  prompt: textField(100_000).refine((text) => text.trim() !== '', 'must not be empty'),
  name: subagentName.optional(),
});

const traits = {
  effect: 'read',
  // A repeated call finds the subagent that is there.
  repeat: 'safe',
  subjectKind: 'run',
  timeoutSeconds: () => 10,
} as const;

// Enough to recognise the work by; the call has the whole.
const mostShown = 200;

function toSubject({ name: who, prompt }: { name?: string | undefined; prompt: string }): string {
  const what = prompt.replaceAll(/\s+/g, ' ').trim().slice(0, mostShown).toWellFormed();
  return who === undefined ? what : `${who}: ${what}`;
}

/** Reached by no call: the store does what these are for. */
const run = async () => failed('Nothing was delegated.');

const shared =
  'It works in the same directory, under the same policy and within what is left of this run’s money and time, and ' +
  'knows nothing but the prompt: say all that it needs. The same name again goes on with the same subagent.';

export const delegate = defineTool({
  ...traits,
  name: 'delegate',
  description: `Has a subagent do a part of the work and waits for what it says. Several in one answer work side by side. ${shared}`,
  input: wanted,
  subject: toSubject,
  delegates: 'inline',
  progress: true,
  run,
});

export const delegateAsync = defineTool({
  ...traits,
  name: 'delegate-async',
  description: `Has a subagent work while you go on. What it says comes as a note before one of your next steps. ${shared}`,
  input: wanted,
  subject: toSubject,
  delegates: 'async',
  run,
});

export const waitForSubagents = defineTool({
  ...traits,
  name: 'wait',
  description:
    'Waits for subagents that were started with delegate-async, and answers with what they say: those named, else all that are at work.',
  // As many as can be at work.
  input: z.strictObject({ names: z.array(z.string().max(60)).max(64).optional() }),
  subject: ({ names }) => names?.join(' ') || 'all subagents',
  delegates: 'wait',
  progress: true,
  run,
});

export const peek = defineTool({
  ...traits,
  name: 'peek',
  description:
    'Looks at how far a subagent has come: its status, its last words and its last calls. Does not disturb it.',
  input: z.strictObject({ name: z.string().min(1).max(60) }),
  subject: (input) => input.name,
  async run(input, context) {
    const seen = await context.peek(input.name);
    return seen === undefined ? failed(`There is no subagent "${input.name}".`) : done(seen);
  },
});

// What a model is told anew with each step, behind all that stays the same: the one list of who has something to say.
import type { StoredMessage } from '../../workflows/contracts/message.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ContextBlock } from '../prompt/assemble.ts';
import { shortened } from '../prompt/tokens.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { memoryText } from './memory-block.ts';
import { skillsText } from './skills-block.ts';
import { workspaceText } from './workspace-block.ts';

export interface BlockInput {
  deps: ActivityDeps;
  run: RunRow;
  step: number;
  history: readonly StoredMessage[];
  now: Date;
}

interface Block {
  owner: string;
  /** Undefined: nothing to say in this step. */
  text(input: BlockInput): string | undefined | Promise<string | undefined>;
}

// No cache holds these: each token is paid for in full with each step.
const longestBlock = 1_000;

const aboutAside =
  'This is a side question. The work goes on beside it, and nothing of this stays in the conversation: answer at once from ' +
  'what you know, and call no tools.';

/** In the order in which the model reads them. To add one: a line here. What changes seldom comes first. */
const blocks: readonly Block[] = [
  { owner: 'limits', text: limits },
  { owner: 'project', text: project },
  { owner: 'workspace', text: workspaceText },
  { owner: 'skills', text: skillsText },
  { owner: 'memory', text: memoryText },
  { owner: 'clock', text: ({ now }) => `Date: ${now.toISOString().slice(0, 10)}` },
  { owner: 'aside', text: ({ run }) => (run.kind === 'aside' ? aboutAside : undefined) },
];

export async function contextOf(input: BlockInput): Promise<ContextBlock[]> {
  const said = await Promise.all(blocks.map(async ({ owner, text }) => ({ owner, text: await text(input) })));
  return said.flatMap(({ owner, text }) =>
    text === undefined ? [] : [{ owner, text: shortened(text, longestBlock) }],
  );
}

function limits({ run, step }: BlockInput): string {
  const { steps } = run.limits as unknown as EffectiveLimits;
  return `Step ${step} of at most ${steps}`;
}

function project({ deps, run }: BlockInput): string {
  const place = deps.place(run);
  return `Project: ${place === null ? 'none' : JSON.stringify(place)}`;
}

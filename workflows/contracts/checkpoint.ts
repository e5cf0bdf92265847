// Checkpoints of a run's project, and rewinding to one, on every wire.
import { z } from 'zod';
import { id, when } from './fields.ts';

export const CheckpointView = z
  .object({
    runId: id,
    number: z.int().min(1).describe('Its number in the run.'),
    callId: z.string().nullable().describe('The call it was made for; null: it was made for a rewind.'),
    rewindId: id.nullable(),
    tool: z.string().nullable(),
    subject: z.string().nullable(),
    tree: z
      .string()
      .nullable()
      .describe(
        'The git hash of the project before the call, to which it can be rewound; null: not recorded.',
      ),
    treeAfter: z.string().nullable().describe('The same behind it; null: not recorded, or not yet.'),
    changed: z.boolean().nullable().describe('Whether the two differ; null: not known.'),
    at: when,
  })
  .meta({ id: 'CheckpointView' });
export type CheckpointView = z.infer<typeof CheckpointView>;

export const CheckpointListView = z
  .object({ items: z.array(CheckpointView), nextCursor: z.string().nullable() })
  .meta({ id: 'CheckpointListView' });
export type CheckpointListView = z.infer<typeof CheckpointListView>;

export const RewindBody = z
  .strictObject({
    to: z
      .union([z.literal('start'), z.int().min(1).max(1_000_000)])
      .describe(
        'The number of a checkpoint: as the project was before its call. `start`: as the run found it.',
      ),
  })
  .meta({ id: 'RewindBody' });
export type RewindBody = z.infer<typeof RewindBody>;

export const KeptFile = z
  .object({
    path: z.string(),
    why: z
      .enum(['changed', 'too-large', 'in-the-way'])
      .describe(
        'changed: by another than the run, or nobody can tell; too-large: its content was not recorded; in-the-way: ' +
          'something else has its place.',
      ),
  })
  .meta({ id: 'KeptFile' });
export type KeptFile = z.infer<typeof KeptFile>;

/** Where a rewind, or what is done like one, brings a project. */
export const RewindTarget = z.union([RewindBody.shape.to, z.literal('home')]);

export const ApplyBody = z
  .strictObject({
    exceptConflicts: z
      .boolean()
      .optional()
      .describe(
        'Leave out files that were changed in the project meanwhile, instead of bringing home nothing.',
      ),
  })
  .nullish()
  .meta({ id: 'ApplyBody' });
export type ApplyBody = z.infer<typeof ApplyBody>;

export const RewindView = z
  .object({
    id,
    runId: id,
    kind: z.enum(['rewind', 'apply']),
    to: RewindTarget.describe('`home`: what the run changed in its own tree is brought to the project.'),
    status: z.enum(['open', 'done', 'failed']),
    restored: z.int().describe('Files that were given back what they had held.'),
    kept: z.array(KeptFile).describe('Files that stay as they are, up to 1,000.'),
    keptCount: z.int(),
    tree: z.string().nullable().describe('The git hash of the project afterwards.'),
    problem: z.string().nullable().describe('Why it failed, in one sentence.'),
    by: z.string(),
    createdAt: when,
    endedAt: when.nullable(),
  })
  .meta({ id: 'RewindView' });
export type RewindView = z.infer<typeof RewindView>;

/** Of what a run changed in a tree of its own. Short, as lists of runs have it too. */
export const HomecomingView = RewindView.pick({
  id: true,
  status: true,
  restored: true,
  kept: true,
  keptCount: true,
  problem: true,
})
  .extend({ kept: z.array(KeptFile).describe('Conflicts and other files that did not come home, up to 20.') })
  .meta({ id: 'HomecomingView' });
export type HomecomingView = z.infer<typeof HomecomingView>;

export const DiffView = z
  .object({
    runId: id,
    diff: z.string().describe('A unified git diff; empty when nothing changed.'),
    files: z.array(z.object({ path: z.string(), status: z.enum(['added', 'modified', 'deleted']) })),
    truncated: z.boolean(),
    others: z
      .array(z.object({ path: z.string(), status: z.enum(['added', 'modified', 'deleted']) }))
      .describe('What others changed in the project while the run was at work.'),
  })
  .meta({ id: 'DiffView' });
export type DiffView = z.infer<typeof DiffView>;

// The subagents of a run, as people read them.
import { z } from 'zod';
import { RunView } from './run.ts';

export const ChildListView = z
  .object({ items: z.array(RunView).describe('At all depths, in the order in which they were asked for.') })
  .meta({ id: 'ChildListView' });
export type ChildListView = z.infer<typeof ChildListView>;

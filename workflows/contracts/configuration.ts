// Where the settings of a run come from. Which of them stand for the runs that follow is decided in
// activities/store/lifecycle/configuration.ts.
import { z } from 'zod';

export const Source = z.enum(['request', 'conversation', 'run', 'instance']).meta({ id: 'Source' });
export type Source = z.infer<typeof Source>;

/** One for each setting that stands for the runs that follow. */
export const Sources = z
  .object({
    project: Source,
    model: Source,
    policy: Source,
    priority: Source,
    owner: Source,
    attended: Source,
    overBudget: Source,
    externalTools: Source,
    execMode: Source.optional().describe('Left out by runs from before there was a choice.'),
    limits: z
      .object({ steps: Source, seconds: Source, costMicros: Source, tokens: Source, maxOutputTokens: Source })
      .describe('`instance`: the limit is the policy profile’s own, or there is none.'),
  })
  .meta({
    id: 'Sources',
    description:
      '`request`: its request says so. `conversation`: as in the run that was accepted into the conversation before it. ' +
      '`run`: as in the failed run that is asked again. `instance`: nothing says so; it is the default of this server.',
  });
export type Sources = z.infer<typeof Sources>;

/** The settings that stand for the runs that follow. */
export type Standing = keyof Sources;

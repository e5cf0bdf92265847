// Where the settings of a run come from. Which of them stand for the runs that follow, and who comes before whom, is
// decided in activities/store/lifecycle/configuration.ts.
import { z } from 'zod';
import { shortText } from './fields.ts';

export const Source = z
  .enum(['request', 'preset', 'settings', 'conversation', 'run', 'delegation', 'instance'])
  .meta({ id: 'Source' });
export type Source = z.infer<typeof Source>;

/** One for each setting that stands for the runs that follow. */
export const Sources = z
  .object({
    preset: Source.optional().describe('Left out by runs from before there were presets.'),
    project: Source,
    workspace: Source.optional().describe('Left out by runs from before there were workspaces.'),
    model: Source,
    policy: Source,
    priority: Source,
    owner: Source,
    attended: Source,
    overBudget: Source,
    externalTools: Source,
    execMode: Source.optional().describe('Left out by runs from before there was a choice.'),
    workTree: Source.optional().describe('Left out by runs from before there was a choice.'),
    container: Source.optional().describe('Left out by runs from before there was a choice.'),
    executor: Source.optional().describe('Left out by runs from before there was a choice.'),
    limits: z
      .object({ steps: Source, seconds: Source, costMicros: Source, tokens: Source, maxOutputTokens: Source })
      .describe('`instance`: the limit is the policy profile’s own, or there is none.'),
  })
  .meta({
    id: 'Sources',
    description:
      '`request`: its request says so. `preset`: the preset of the run says so. `settings`: the conversation’s own ' +
      'settings say so. `conversation`: as in the run that was accepted into the conversation before it, or that its message goes on ' +
      'from. `run`: as in the run that is asked again. `delegation`: as in the run that asked for this subagent, or as in all subagents. `instance`: nothing says so; it is the default of this server.',
  });
export type Sources = z.infer<typeof Sources>;

/** The settings that stand for the runs that follow. */
export type Standing = keyof Sources;

const slug = () =>
  shortText(64).regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case words joined by hyphens');

export const presetId = slug();

export const workspaceId = slug();

export const workspaceField = workspaceId
  .nullish()
  .describe(
    'A workspace in place of a project, in its newest version: it works in the first of its projects and can read the ' +
      'others. Not with `project`. null: none, and without `project` a scratch folder.',
  );

/** The name of a variable, as a template reads it. */
export const variableName = z.string().regex(/^[a-z][a-zA-Z0-9_]{0,63}$/, 'must begin with a small letter');

/** As many as a template needs; longer texts belong into the prompt. */
export const Variables = z
  .record(variableName, z.string().max(4000))
  .refine((value) => Object.keys(value).length <= 32, 'at most 32')
  .meta({ id: 'Variables', maxProperties: 32 });
export type Variables = z.infer<typeof Variables>;

/** The preset of a run, in the version that it began with. */
export const RunPreset = z
  .object({ id: presetId, version: z.int(), variables: Variables })
  .meta({ id: 'RunPreset' });
export type RunPreset = z.infer<typeof RunPreset>;

/** The workspace of a run, as it was when it began. */
export const RunWorkspace = z
  .object({
    id: workspaceId,
    version: z.int().describe('The one that it began with.'),
    others: z
      .array(z.string())
      .describe('The real paths of the projects behind the first: it only reads there.'),
  })
  .meta({ id: 'RunWorkspace' });
export type RunWorkspace = z.infer<typeof RunWorkspace>;

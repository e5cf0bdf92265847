// A preset: what runs of one kind go by, under a name, in versions. What a run or its conversation says itself comes
// first; see activities/store/lifecycle/configuration.ts.
import { z } from 'zod';
import { ContainerRef } from './container.ts';
import { CommandVariables } from './command-variables.ts';
import { presetId, variableName, workspaceId } from './configuration.ts';
import { mostAtOnce, subagentName } from './delegation.ts';
import { anyShortText, nameText, shortText, text } from './fields.ts';
import { AskedMode, modelName, policyName, ProjectRef, RunLimits } from './run.ts';

// Every model call sends them: a longer text belongs into a file that the agent reads.
export const longestInstructions = 32_000;

const toolName = shortText(200);
// More than there are tools.
const toolNames = z.array(toolName).max(100);

export const PresetTools = z
  .strictObject({
    on: toolNames.optional().describe('Only these built-in tools.'),
    off: toolNames.optional().describe('All built-in tools but these.'),
  })
  .refine(({ on, off }) => (on === undefined) !== (off === undefined), 'must have either on or off')
  .meta({
    id: 'PresetTools',
    description: 'Tools that the caller of a run executes itself are not counted.',
  });
export type PresetTools = z.infer<typeof PresetTools>;

export const PresetVariable = z
  .strictObject({
    description: shortText(500).optional(),
    default: anyShortText(4000).optional().describe('Left out: a run has to give a value.'),
  })
  .meta({ id: 'PresetVariable' });

export const Temperature = z.number().min(0).max(2);

const Subagent = z
  .strictObject({
    name: subagentName.describe('What its runs call it by, as `name` of delegate and delegate-async.'),
    preset: presetId.describe('What it goes by, in its newest version when it begins.'),
    description: shortText(300).optional().describe('When it is asked, as the model is told.'),
  })
  .meta({ id: 'PresetSubagent' });
export type Subagent = z.infer<typeof Subagent>;

const presetFields = {
  id: presetId,
  name: nameText(100),
  description: anyShortText(1000).optional(),
  model: modelName.optional(),
  temperature: Temperature.optional().describe(
    'How freely the model chooses its words. Left out: as the server of the model does by itself.',
  ),
  fallbacks: z
    .array(modelName)
    // Each is tried as long as the one before it.
    .max(5)
    .optional()
    .describe(
      'Models that a run goes on with, in this order, where the model of the preset cannot be reached for a minute, refuses ' +
        'the key or answers what cannot be read. Only with `model`, and not for a run that names its own.',
    ),
  instructions: text
    .max(longestInstructions)
    .optional()
    .describe(
      'What the model is told before all messages: a Liquid template. It reads its variables alone, and nothing that ' +
        'changes by itself, such as the date.',
    ),
  variables: z
    .record(variableName, PresetVariable)
    .refine((value) => Object.keys(value).length <= 32, 'at most 32')
    .meta({ maxProperties: 32 })
    .optional()
    .describe('The variables of the instructions. The request of a run gives them values.'),
  tools: PresetTools.optional(),
  project: ProjectRef.optional().describe('The directory its runs work in.'),
  workspace: workspaceId.optional().describe('The workspace its runs work in. Not with `project`.'),
  policy: policyName.optional(),
  execMode: AskedMode.optional(),
  container: ContainerRef.optional(),
  limits: RunLimits.optional(),
  subagents: z
    .array(Subagent)
    // As many as can be at work at once.
    .max(mostAtOnce)
    .refine(
      (subagents) => new Set(subagents.map(({ name }) => name)).size === subagents.length,
      'must have a name each',
    )
    .optional()
    .describe(
      'Subagents with presets of their own: model, instructions, tools, environment, subagents. Place, policy and sandbox ' +
        'are those of the run that asks, and its limits bound those of the preset. Other names go by what that run goes by.',
    ),
  environment: CommandVariables.optional().describe(
    'Variables that the commands of its runs get. The preset shows their values: names and values that look like secrets ' +
      'are refused, and so is what bash, git and the loader of programs read. What other programs read of it, they do: ' +
      'NODE_OPTIONS can have every `node` load a file.',
  ),
};

/** What a preset says, as it is stored. */
export const Preset = z.strictObject(presetFields).meta({ id: 'Preset' });
export type Preset = z.infer<typeof Preset>;

const makeDefault = z
  .boolean()
  .optional()
  .describe(
    'Whether runs of new conversations go by it that name none. Of a tenant one is the default at most: the one before ' +
      'is it no more. Left out: it stays as it is.',
  );

export const CreatePresetBody = z
  .strictObject({
    ...presetFields,
    id: presetId.optional().describe('Left out: made from the name.'),
    default: makeDefault,
  })
  .meta({ id: 'CreatePresetBody' });
export type CreatePresetBody = z.infer<typeof CreatePresetBody>;

const version = z.int().min(1).max(2_147_483_647);

export const UpdatePresetBody = z
  .strictObject({
    ...presetFields,
    id: presetId.optional(),
    default: makeDefault,
    version: version.describe('The version that the change was made to.'),
  })
  .meta({ id: 'UpdatePresetBody' });
export type UpdatePresetBody = z.infer<typeof UpdatePresetBody>;

export const PresetView = Preset.extend({
  version: z.int(),
  builtIn: z.boolean(),
  default: z.boolean(),
}).meta({ id: 'PresetView' });
export type PresetView = z.infer<typeof PresetView>;

export const PresetListView = z
  .object({ items: z.array(PresetView), nextCursor: z.string().nullable() })
  .meta({ id: 'PresetListView' });
export type PresetListView = z.infer<typeof PresetListView>;

export const PresetFileFormat = z.enum(['yaml', 'toml']);
export type PresetFileFormat = z.infer<typeof PresetFileFormat>;

export const ImportPresetBody = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .max(200_000)
      .describe('The text of the file, as GET /presets/{id}/file gives it.'),
    format: PresetFileFormat,
  })
  .meta({ id: 'ImportPresetBody' });
export type ImportPresetBody = z.infer<typeof ImportPresetBody>;

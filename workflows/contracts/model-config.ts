// What is sent along to a model whichever run calls it. It counts from the next model call on, without a restart.
import { z } from 'zod';
import { text, when } from './fields.ts';
import { longestInstructions, Temperature } from './preset.ts';
import { modelName } from './run.ts';

/** How long a change may take to reach every worker. */
export const modelConfigSeconds = 5;

const configFields = {
  temperature: Temperature.optional().describe('Where the preset of a run says none.'),
  key: z
    .string()
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case words joined by hyphens')
    .max(64)
    .optional()
    .describe(
      'The name of the key that the model is called with, out of the setting modelKeys (PERDURE_MODEL_KEYS). Left out: the ' +
        'key of its provider. The key itself is never stored or shown.',
    ),
  instructions: text
    .max(longestInstructions)
    .optional()
    .describe('What this model is told in every run, before the instructions of a preset.'),
};

export const ModelConfig = z.strictObject(configFields);
export type ModelConfig = z.infer<typeof ModelConfig>;

export const ChangeModelConfigBody = z
  .strictObject({
    model: modelName,
    ...configFields,
    version: z
      .int()
      .min(0)
      .max(2_147_483_646)
      .describe('The version that you have seen; 0: the model has no configuration yet.'),
  })
  .meta({ id: 'ChangeModelConfigBody' });
export type ChangeModelConfigBody = z.infer<typeof ChangeModelConfigBody>;

export const ModelConfigView = z
  .object({ model: modelName, ...configFields, version: z.int(), changedAt: when, changedBy: z.string() })
  .meta({ id: 'ModelConfigView' });
export type ModelConfigView = z.infer<typeof ModelConfigView>;

export const ModelConfigListView = z
  .object({ items: z.array(ModelConfigView), nextCursor: z.string().nullable() })
  .meta({ id: 'ModelConfigListView' });
export type ModelConfigListView = z.infer<typeof ModelConfigListView>;

// What GET /runs/{id} answers when it is asked for the state too.
import { z } from 'zod';
import { RunView } from './run.ts';

export const RunQuery = z.strictObject({
  include: z
    .enum(['state'])
    .optional()
    .describe('Also where the document of the run is: all that people and its model saw of it.'),
});

export const RunStateView = z
  .object({
    content: z.string().describe('Its key, which is its SHA-256: GET /contents/{key} has the document.'),
    size: z.int(),
  })
  .meta({ id: 'RunStateView' });

export const RunWithState = RunView.extend({
  state: RunStateView.nullish().describe(
    'With `include=state`. Null: the run has not ended, its document is still to be written, or this server keeps none ' +
      '(the setting `keepState`).',
  ),
}).meta({ id: 'RunWithState' });
export type RunWithState = z.infer<typeof RunWithState>;

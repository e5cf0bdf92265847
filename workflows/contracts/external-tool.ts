// A tool that the caller of a run executes itself.
import { z } from 'zod';
import { shortText } from './fields.ts';

export const ExternalTool = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, hyphens or underscores'),
    description: shortText(4000),
    // Kept as it came: it is shown to the model, and arguments are held against it.
    inputSchema: z
      .record(z.string(), z.unknown())
      .describe(
        'JSON Schema of the arguments, an object. What a model sends is held against it, except for "pattern" and "patternProperties": check these yourself.',
      ),
  })
  .meta({ id: 'ExternalTool' });
export type ExternalTool = z.infer<typeof ExternalTool>;

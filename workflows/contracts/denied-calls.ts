// What a run was not allowed to do, as its end says.
import { z } from 'zod';

// As many as a person reads at the end of a run; GET /runs/{id}/calls has the rest.
export const mostDeniedListed = 20;

export const DeniedCalls = z
  .object({
    count: z.int(),
    items: z
      .array(z.object({ callId: z.string(), tool: z.string(), subject: z.string(), reason: z.string() }))
      .describe(`The first ${mostDeniedListed}, in their order; subject and reason cut at 300 characters.`),
  })
  .meta({ id: 'DeniedCalls' });
export type DeniedCalls = z.infer<typeof DeniedCalls>;

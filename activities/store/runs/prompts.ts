// What prompts were made of, as their model calls have kept it.
import type { StoredMessage } from '../../../workflows/contracts/message.ts';
import type { ContextView } from '../../../workflows/contracts/context.ts';
import type { PromptRecord } from '../../../workflows/contracts/prompt-record.ts';
import type { Queries } from '../db/database.ts';
import type { RunRow } from './runs.ts';

// An estimate may be off by this much; what is further away counts something else.
const [fewest, most] = [0.3, 3];

/** By what an estimate is multiplied to be what the provider counted for the newest answer of a history; 1 if unknown. */
export async function tokensReported(queries: Queries, history: readonly StoredMessage[]): Promise<number> {
  const answer = history.findLast(({ role }) => role === 'assistant');
  if (answer === undefined) return 1;
  const call = await queries
    .selectFrom('model_calls')
    .select(['input_tokens', 'prompt'])
    .where('run_id', '=', answer.runId)
    .where('step', '=', answer.step)
    .where('status', '=', 'answered')
    .where('estimated', '=', false)
    .executeTakeFirst();
  const estimated = (call?.prompt as PromptRecord | null | undefined)?.tokens;
  if (call === undefined || estimated === undefined || estimated === 0 || call.input_tokens === 0) return 1;
  return Math.min(most, Math.max(fewest, call.input_tokens / estimated));
}

export interface SentPrompt {
  step: number;
  model: string;
  prompt: PromptRecord | null;
  use: ContextView['use'];
}

/** The last call that asked for an answer to the step, or to the last step that was asked. */
export async function findPrompt(
  queries: Queries,
  { id, tenant_id }: Pick<RunRow, 'id' | 'tenant_id'>,
  step?: number,
): Promise<SentPrompt | undefined> {
  let query = queries
    .selectFrom('model_calls')
    .selectAll()
    .where('run_id', '=', id)
    .where('tenant_id', '=', tenant_id)
    .where('status', '<>', 'compacted');
  if (step !== undefined) query = query.where('step', '=', step);
  const row = await query.orderBy('step', 'desc').orderBy('attempt', 'desc').limit(1).executeTakeFirst();
  return (
    row && {
      step: row.step,
      model: row.model,
      prompt: row.prompt as PromptRecord | null,
      use: {
        inputTokens: row.input_tokens,
        cachedInputTokens: row.cached_input_tokens,
        outputTokens: row.output_tokens,
        estimated: row.estimated,
      },
    }
  );
}

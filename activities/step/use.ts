// What model calls have used: as the provider says, or estimated where its answer was cut off before it said so. Books
// what attempts used whose worker died before it could.
import type { Kept } from '../../workflows/contracts/message.ts';
import type { ActivityDeps } from '../deps.ts';
import { estimateUsage } from '../llm/estimate-usage.ts';
import type { FinishReason } from '../llm/finish-reason.ts';
import type { LlmCall, LlmRequest, LlmUsage } from '../llm/llm.ts';
import { type ModelUse, recordUse } from '../store/lifecycle/answers.ts';
import type { Write } from '../store/log/events.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { unbookedAttempts } from '../store/runs/unbooked-attempts.ts';

export interface Streamed {
  text: string;
  calls: LlmCall[];
  usage: LlmUsage | undefined;
  kept?: Kept;
  /** Undefined until it has ended. */
  reason: FinishReason | undefined;
}

const nothing: LlmUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };

export function useOf(
  deps: ActivityDeps,
  model: string,
  request: LlmRequest,
  streamed: Pick<Streamed, 'text' | 'calls' | 'usage'>,
  status: ModelUse['status'],
): ModelUse {
  const output = streamed.text + streamed.calls.map((call) => call.input).join('');
  // Refused before it said anything, a call is not billed; once it has spoken, its input was read.
  const silent = status === 'failed' && output === '';
  const usage = streamed.usage ?? (silent ? nothing : estimateUsage(request, output));
  return {
    model,
    status,
    ...usage,
    ...deps.price(model, usage),
    estimated: streamed.usage === undefined && !silent,
  };
}

/** The use of an attempt that failed before it asked the provider. */
export function noUse(deps: ActivityDeps, model: string): ModelUse {
  return { model, status: 'failed', ...nothing, ...deps.price(model, nothing), estimated: false };
}

/** What tells whether a price is known. */
type Pricing = Pick<ActivityDeps, 'price'>;

/**
 * Books the attempts of a step that left no account of themselves, with what the ledger knows of their use; the caller
 * holds the run's lock. Returns the run as it is now.
 */
export async function bookLost<Run extends RunRow>(
  deps: Pricing,
  write: Write,
  run: Run,
  { step, before }: { step: number; before?: number },
): Promise<Run> {
  let booked = run;
  for (const { ref, use } of await unbookedAttempts(write.tx, run.id, step, before)) {
    const { priced } = deps.price(run.model, use);
    booked = await recordUse(write, booked, ref, step, {
      model: run.model,
      status: 'failed',
      ...use,
      priced,
    });
  }
  return booked;
}

/** Books what the step under way has used when its run ends and no attempt will ask again. */
export async function bookUnanswered<Run extends RunRow>(
  deps: Pricing,
  write: Write,
  run: Run,
): Promise<Run> {
  return bookLost(deps, write, run, { step: run.steps + 1 });
}

// What a model call asks: the messages and tools of its run, and the context of its step. What earlier attempts asked
// and never accounted for is booked, and the worst case drawn, before the request may be sent.
import type { CallModelResult } from '../../workflows/contracts/activities.ts';
import type { StoredMessage } from '../../workflows/contracts/message.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import { toolsOf, toSpec } from '../call/tools-of.ts';
import type { ActivityDeps } from '../deps.ts';
import { findLlm } from '../llm/index.ts';
import type { LlmRequest } from '../llm/llm.ts';
import { longestAnswerOf } from '../llm/longest-answers.ts';
import { assemble, type ContextBlock } from '../prompt/assemble.ts';
import { lockRun, type RunRow } from '../store/runs/runs.ts';
import { draw } from './draw.ts';
import { failModelCall, WorkersLost } from './failure.ts';
import type { ModelCall, Opened } from './open.ts';
import { bookLost, noUse } from './use.ts';

// Kills that come by chance must never end a run, and a model call is safe to make again: only a prompt that takes
// down every worker that sends it meets ten deaths in one step.
const mostLostAttempts = 10;

/** What to ask, or what becomes of the step when it may not be asked for want of money. */
export async function prepareRequest(
  deps: ActivityDeps,
  call: ModelCall,
  before: Pick<Opened, 'earlier' | 'lost' | 'history'>,
): Promise<{ request: LlmRequest } | { result: CallModelResult }> {
  const { run, step, attempt } = call;
  try {
    if (before.lost >= mostLostAttempts) throw new WorkersLost(step, before.lost);
    const request = { ...requestFor(deps, run, step, before.history), attempt: attempt.ref.attempt };
    if (before.earlier > 0) {
      await deps.log.write('book-lost', async (write) => {
        const locked = await lockRun(write, run.tenant_id, run.id);
        if (locked) await bookLost(deps, write, locked, { step, before: attempt.ref.attempt });
      });
    }
    const result = await draw(deps, run, step, attempt, request);
    return result ? { result } : { request };
  } catch (error) {
    throw await failModelCall(deps, call, error, { use: noUse(deps, run.model), closing: [] });
  }
}

function requestFor(deps: ActivityDeps, run: RunRow, step: number, history: StoredMessage[]): LlmRequest {
  const prompt = assemble({
    tools: toolsOf(deps, run).map(toSpec),
    history,
    context: contextOf(run, step, new Date()),
  });
  const model = run.model.slice(run.model.indexOf('/') + 1);
  const { maxOutputTokens: wanted } = run.limits as unknown as EffectiveLimits;
  const given = findLlm(deps.llms, run.model)?.llm.longestAnswer?.(model);
  return {
    model,
    messages: prompt.messages,
    tools: prompt.tools,
    maxOutputTokens: longestAnswerOf(model, { given, wanted }),
    // Of a run that says how long its answers may be, the server is told so whatever they cost.
    free: wanted === undefined && isFree(deps, run.model),
    runId: run.id,
    step,
  };
}

/** Whether a million tokens each way cost nothing: a price of zero, that is, and not one that is unknown. */
function isFree(deps: Pick<ActivityDeps, 'price'>, model: string): boolean {
  const usage = { inputTokens: 1_000_000, cachedInputTokens: 0, outputTokens: 1_000_000 };
  return deps.price(model, usage).costMicros === 0;
}

/** What a model is told anew with each step, in this order: the one place that knows who has something to say. */
export function contextOf(
  run: Pick<RunRow, 'limits' | 'project_path'>,
  step: number,
  now: Date,
): ContextBlock[] {
  const { steps } = run.limits as unknown as EffectiveLimits;
  const project = run.project_path === null ? 'none' : JSON.stringify(run.project_path);
  return [
    { owner: 'limits', text: `Step ${step} of at most ${steps}` },
    { owner: 'project', text: `Project: ${project}` },
    { owner: 'clock', text: `Date: ${now.toISOString().slice(0, 10)}` },
  ];
}

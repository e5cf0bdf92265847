// Stores the summary of a conversation, once: in the transaction that ends its attempt. The next attempt finds it in the
// history and asks what the step is about. An attempt that dies before leaves nothing but what it used.
import type { Summary } from '../../workflows/contracts/message.ts';
import { toStorable } from '../../workflows/contracts/storable.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import type { RunStatus } from '../../workflows/contracts/run.ts';
import type { ActivityDeps } from '../deps.ts';
import { LlmError } from '../llm/llm.ts';
import { shortened, tokensOf } from '../prompt/tokens.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { hasBooked, recordUse } from '../store/lifecycle/answers.ts';
import { StreamEnded } from '../store/log/events.ts';
import { compacted, endAttempt } from '../store/runs/attempts.ts';
import { addSummary } from '../store/runs/messages.ts';
import { lockRun, requireRun, streamFor } from '../store/runs/runs.ts';
import type { Asked } from './ask.ts';
import type { Asking } from './asking.ts';
import { closeReserved } from './draw.ts';
import { failModelCall } from './failure.ts';
import type { ModelCall } from './open.ts';

type Compacting = Asking & { compaction: NonNullable<Asking['compaction']> };

/** Tells people why the answer lets them wait. */
export async function tellCompaction(
  deps: ActivityDeps,
  { run, step, attempt }: ModelCall,
  { prompt: { tokens, window }, compaction }: Asking,
): Promise<void> {
  const refused = compaction?.refused ?? false;
  await untilStored(() =>
    deps.log.append({
      ...streamFor(run),
      events: [{ type: 'context-compaction-start', payload: { step, tokens, window, refused } }],
      fence: attempt.ref,
      dedupeKey: `${attempt.ref.unit}/${attempt.ref.attempt}/compaction`,
    }),
  );
}

/** `stopped`: the run was told to end meanwhile, and there is no summary. */
export async function storeSummary(
  deps: ActivityDeps,
  call: ModelCall,
  asked: Exclude<Asked, { kind: 'failed' }>,
  asking: Compacting,
): Promise<'stored' | 'stopped'> {
  const { run, step, attempt } = call;
  const text = summaryText(deps, asked, asking);
  const isStopped = asked.kind === 'stopped';
  if (!isStopped && text === '') {
    const empty = new LlmError('unreadable', 'The model wrote nothing where it was asked to sum up.');
    try {
      throw await failModelCall(deps, call, empty, asked);
    } finally {
      await closeReserved(deps, run, step, attempt, asked.use);
    }
  }
  const use = { ...asked.use, status: isStopped ? asked.use.status : compacted } as const;
  const about = aboutOf(run.model, text, asking);
  await untilStored(() =>
    deps.log.write('store-summary', async (write) => {
      const current = requireRun(await lockRun(write, run.tenant_id, run.id), run.id);
      // The answer to an earlier COMMIT of this may have been lost.
      if (await hasBooked(write, attempt.ref, step)) return;
      if (isTerminal(current.status as RunStatus)) throw new StreamEnded(`run ${run.id} has ended`);
      const { covers, messages, before, after, leftOut } = about;
      const told = {
        step,
        covers,
        messages,
        tokensBefore: before,
        tokensAfter: after,
        wordsLeftOut: leftOut,
      };
      write.append({
        ...streamFor(current),
        events: isStopped ? [] : [{ type: 'context-compaction-end', payload: told }],
        fence: attempt.ref,
      });
      await recordUse(write, current, attempt.ref, step, use);
      if (!isStopped) await addSummary(write.tx, current, { step, text, about });
      await endAttempt(write, current, attempt.ref, use.status);
    }),
  );
  await closeReserved(deps, run, step, attempt, use);
  return isStopped ? 'stopped' : 'stored';
}

/** No longer than it was allowed to be: a server may not hold to that. */
function summaryText(deps: ActivityDeps, { text }: Pick<Asked, 'text'>, { request }: Compacting): string {
  return toStorable(shortened(deps.log.redact(text).trim(), request.maxOutputTokens));
}

function aboutOf(model: string, text: string, { prompt, compaction }: Compacting): Summary {
  const { covers, messages, words, leftOut, project, covered, refused } = compaction;
  const said = [text, project ?? '', ...words].reduce((sum, each) => sum + tokensOf(each), 0);
  const before = prompt.tokens;
  // What an earlier summary and its words had is counted in both.
  const after = Math.max(said, before - covered - earlier(prompt) + said);
  return {
    ...{ kind: 'summary', covers, messages, words, leftOut, model, refused, before, after },
    window: prompt.window,
    ...(project !== undefined && { project }),
  };
}

function earlier({ parts }: Compacting['prompt']): number {
  return parts.reduce((sum, { part, tokens }) => sum + (part === 'summary' ? tokens : 0), 0);
}

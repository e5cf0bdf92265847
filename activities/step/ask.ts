// Asks the model: streams its answer into the event log, and returns what it said, what that used and how it ended.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import type { Kept } from '../../workflows/contracts/message.ts';
import type { Unfinished } from '../../workflows/contracts/run.ts';
import type { ActivityDeps } from '../deps.ts';
import { findLlm } from '../llm/index.ts';
import { type Llm, type LlmCall, LlmError, type LlmRequest } from '../llm/llm.ts';
import type { ModelUse } from '../store/lifecycle/answers.ts';
import { streamFor } from '../store/runs/runs.ts';
import { RunStopped } from '../store/runs/stops.ts';
import type { Asking } from './asking.ts';
import { createJournal, type Journal, silentJournal } from './journal.ts';
import type { ModelCall } from './open.ts';
import { type Streamed, useOf } from './use.ts';
import { markCut, missingOf } from './whole.ts';

export interface Said {
  text: string;
  calls: LlmCall[];
  /** What is sent back with the answer. */
  kept?: Kept | undefined;
  use: ModelUse;
  /** Undefined: it is whole, or was ended by a person. */
  unfinished?: Unfinished | undefined;
  /** What is left of what was streamed, and the end of its blocks. */
  closing: NewEvent[];
}

/** `stopped`: a person stopped the run; what was said until then is kept, and none of its calls. */
export type Asked = Said & ({ kind: 'answered' | 'stopped' } | { kind: 'failed'; cause: unknown });

export async function askModel(
  deps: ActivityDeps,
  { run, step, attempt }: ModelCall,
  { request, prompt, compaction }: Asking,
): Promise<Asked> {
  const giveUp = new AbortController();
  const signal = AbortSignal.any([attempt.signal, giveUp.signal]);
  // A summary is no part of the answer: people read it where they look at the context.
  const journal = compaction
    ? silentJournal
    : createJournal({
        log: deps.log,
        ...streamFor(run),
        attempt: attempt.ref,
        step,
        redactor: deps.redactor.stream(),
        onFailure: (error) => giveUp.abort(error),
      });
  const { streamed, failure } = await listen(llmFor(deps, run.model, request.key), request, signal, journal);
  const closing = await journal.seal();
  const said = (status: ModelUse['status']): Said => ({
    text: streamed.text,
    calls: status === 'answered' ? streamed.calls : [],
    kept: status === 'answered' ? streamed.kept : undefined,
    use: { ...useOf(deps, run.model, request, streamed, status), ...(compaction ? {} : { prompt }) },
    closing,
  });
  if (failure) {
    if (signal.reason instanceof RunStopped) return { kind: 'stopped', ...said('stopped') };
    const cause: unknown = signal.aborted ? signal.reason : failure.error;
    return { kind: 'failed', cause, ...said('failed') };
  }
  // The journal may have failed while the last pieces were sent. A stop at that time changes nothing about an answer
  // that is whole and paid for.
  if (giveUp.signal.aborted) return { kind: 'failed', cause: giveUp.signal.reason, ...said('failed') };
  return { kind: 'answered', ...said('answered'), unfinished: missingOf(streamed) };
}

/** The model, or why it cannot be called on this worker. */
function llmFor(deps: ActivityDeps, model: string, key: string | undefined): Llm | LlmError {
  const llms = key === undefined ? deps.llms : deps.llmsWith(key);
  if (llms === undefined)
    return new LlmError('auth', `This worker has no key named ${key}: set it in PERDURE_MODEL_KEYS.`);
  const none = new LlmError('bad_request', 'No model of that provider is configured on this worker.');
  return findLlm(llms, model)?.llm ?? none;
}

/** What the model says, as far as it comes. */
async function listen(
  llm: Llm | LlmError,
  request: LlmRequest,
  signal: AbortSignal,
  journal: Journal,
): Promise<{ streamed: Streamed; failure?: { error: unknown } }> {
  const streamed: Streamed = { text: '', calls: [], usage: undefined, reason: undefined };
  try {
    if (llm instanceof LlmError) throw llm;
    for await (const part of llm.stream(request, signal)) {
      switch (part.type) {
        case 'text':
          streamed.text += part.text;
          journal.text(part.text);
          break;
        case 'thinking':
          journal.thinking(part.text);
          break;
        case 'was-thinking':
          journal.takeBack('It was thoughts, and is shown as such.');
          journal.thinking(streamed.text);
          streamed.text = '';
          break;
        case 'call':
          streamed.calls.push(part.call);
          break;
        case 'kept':
          streamed.kept = part.kept;
          break;
        case 'finish':
          streamed.usage = part.usage;
          streamed.reason = part.reason;
          streamed.calls = markCut(streamed);
          if (part.reason === 'refused')
            throw new LlmError('content_refused', 'The provider refused the content.');
          break;
      }
    }
    signal.throwIfAborted();
    return { streamed };
  } catch (error) {
    return { streamed, failure: { error } };
  }
}

// Reviews the calls of an answer: do they name a tool, do the arguments fit, does policy allow them. Pure: the
// decisions are stored with the model's message and reach the workflow with its result.
import { createHash } from 'node:crypto';
import { evaluate, type PolicyContext, type PolicyScope } from '../workflows/policy/evaluate.ts';
import type { LlmCall } from './llm/llm.ts';
import type { ReviewedCall } from './store/answers.ts';
import { isStorable, toStorable } from './store/storable.ts';
import type { Tool } from './tools/tool.ts';

// More than a model sensibly asks for in one breath; the rest is answered with a sentence, not run.
const mostCallsPerStep = 64;

export interface ReviewContext extends PolicyContext {
  tools: readonly Tool[];
  scopes: readonly PolicyScope[];
}

export function reviewCalls(context: ReviewContext, step: number, calls: readonly LlmCall[]): ReviewedCall[] {
  return calls.map((written, index) => {
    // No provider's word for it is taken: what cannot be stored would fail the answer at each attempt.
    const call = { ...written, id: toStorable(written.id), name: toStorable(written.name.slice(0, 200)) };
    const reviewed = reviewCall(context, call);
    const overflow = index >= mostCallsPerStep;
    return {
      callId: `${step}.${index}`,
      index,
      providerCallId: call.id,
      tool: call.name,
      inputText: toStorable(call.input),
      inputHash: createHash('sha256').update(call.input).digest('hex'),
      ...reviewed,
      ...(overflow
        ? refused(`Not run: at most ${mostCallsPerStep} calls are made in one step. Ask again in the next.`)
        : {}),
    };
  });
}

type Outcome = Omit<ReviewedCall, 'callId' | 'index' | 'providerCallId' | 'tool' | 'inputText' | 'inputHash'>;

const nothingKnown = { effect: null, subject: '', repeat: null, timeoutSeconds: 0 };

function reviewCall(context: ReviewContext, call: LlmCall): Outcome {
  const { tools, scopes } = context;
  const tool = tools.find((candidate) => candidate.name === call.name);
  if (!tool) {
    const names = tools.map((candidate) => candidate.name).join(', ');
    return {
      ...nothingKnown,
      input: toStorable(call.input),
      ...refused(`There is no tool "${call.name}". There are: ${names}.`),
    };
  }
  const parsed = parse(tool, call.input);
  if (!parsed.ok) return { ...nothingKnown, input: toStorable(call.input), ...refused(parsed.problem) };
  // Decided on the whole of it: what was cut off would be allowed unseen.
  const subject = toStorable(tool.subject(parsed.input));
  const { name, effect, subjectKind } = tool;
  const decided = evaluate(scopes, { tool: name, effect, subject, subjectKind }, context);
  const { decision, ruleIndex, profileId, ruleText } = decided;
  const rule = toStorable(ruleIndex === null ? ruleText : `${profileId}: ${ruleText}`);
  const reason = toStorable(decided.reason.slice(0, 1000));
  return {
    input: parsed.input,
    effect,
    subject,
    repeat: tool.repeat,
    decision,
    rule,
    reason,
    timeoutSeconds: tool.timeoutSeconds(parsed.input),
    refusal:
      decision === 'allow'
        ? undefined
        : { status: 'denied', output: `Denied by policy (${rule}): ${reason}.` },
  };
}

/** Not run for a reason that is no matter of policy. */
function refused(problem: string): Pick<Outcome, 'decision' | 'rule' | 'reason' | 'refusal'> {
  const output = toStorable(problem);
  return {
    decision: 'deny',
    rule: 'not a valid call',
    reason: toStorable(output.slice(0, 500)),
    refusal: { status: 'failed', output },
  };
}

function parse(tool: Tool, text: string): { ok: true; input: unknown } | { ok: false; problem: string } {
  let value: unknown;
  try {
    // Models write no arguments as an empty string.
    value = JSON.parse(text.trim() === '' ? '{}' : text);
  } catch (error) {
    return {
      ok: false,
      problem: `The arguments are not valid JSON (${(error as Error).message}). Send the call again.`,
    };
  }
  // They are stored with the call before it is made, and what is stored is what runs.
  if (!isStorable(value)) {
    return {
      ok: false,
      problem: 'The arguments hold a NUL character or half of a surrogate pair. Leave it out.',
    };
  }
  const parsed = tool.input.safeParse(value);
  if (parsed.success) return { ok: true, input: parsed.data };
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'input'}: ${issue.message}`);
  return { ok: false, problem: `The arguments do not fit ${tool.name}: ${problems.slice(0, 5).join('; ')}.` };
}

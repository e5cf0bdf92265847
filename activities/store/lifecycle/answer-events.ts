// The events of a model's answer: its end, its calls with what was decided about them, and what the step used.
import { otherText } from '../../../workflows/contracts/call.ts';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import type { Unfinished } from '../../../workflows/contracts/run.ts';
import { toStorable } from '../../../workflows/contracts/storable.ts';
import type { ReviewedCall } from '../calls/reviewed-calls.ts';

interface ToldAnswer {
  step: number;
  text: string;
  calls: readonly ReviewedCall[];
  use: {
    inputTokens: number;
    cachedInputTokens: number;
    outputTokens: number;
    costMicros: number;
    priced: boolean;
  };
  unfinished?: Unfinished | undefined;
  /** Comes first. */
  closing: readonly NewEvent[];
}

/** What happened when an answer was stored, in order. */
export function eventsOf(answer: ToldAnswer): NewEvent[] {
  const { step, use } = answer;
  return [
    ...answer.closing,
    { type: 'message-end', payload: { step, text: answer.text } },
    ...answer.calls.flatMap((call) => [
      requestEvent(step, call),
      ...(call.refusal ? [refusalEvent(call, call.refusal)] : []),
    ]),
    {
      type: 'step-end',
      payload: {
        step,
        usage: {
          inputTokens: use.inputTokens,
          cachedInputTokens: use.cachedInputTokens,
          outputTokens: use.outputTokens,
        },
        costMicros: use.costMicros,
        priced: use.priced,
        calls: answer.calls.length,
        ...(answer.unfinished && { unfinished: answer.unfinished }),
      },
    },
  ];
}

function requestEvent(step: number, call: ReviewedCall): NewEvent {
  const runs = otherText(call.subject, call.runs);
  return {
    type: 'call-request',
    payload: {
      step,
      callId: call.callId,
      tool: call.tool,
      input: call.inputText.slice(0, 4000),
      ...(call.decided.repairs && { repairs: call.decided.repairs }),
      effect: call.effect as 'read' | null,
      subject: toStorable(call.subject.slice(0, 4000)),
      ...(runs !== null && { runs: toStorable(runs.slice(0, 4000)) }),
      decision: call.decision,
      rule: call.rule,
      reason: call.reason,
    },
  };
}

function refusalEvent(
  call: ReviewedCall,
  refusal: { status: 'failed' | 'denied'; output: string },
): NewEvent {
  return {
    type: 'call-end',
    payload: {
      callId: call.callId,
      tool: call.tool,
      status: refusal.status,
      output: refusal.output.slice(0, 2000),
      bytes: Buffer.byteLength(refusal.output),
      content: null,
    },
  };
}

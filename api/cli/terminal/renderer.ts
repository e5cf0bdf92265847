// Draws the events of one run as they come, for `run`, `watch` and `demo`. Everything a model, a tool or a person
// wrote passes printable(); a new event type does not compile until it is drawn here.
import type { Event, EventPayload } from '../../../workflows/contracts/event.ts';
import { type CallDrawing, createCallDrawing, drawDenied } from './call-drawing.ts';
import { plural, toDuration } from './figures.ts';
import { type ContextEvent, drawContext } from './context-drawing.ts';
import { partLine, recordLine } from './preparing-lines.ts';
import { type DelegationEvent, drawDelegation } from './delegation-drawing.ts';
import { drawConfiguration, toPlace } from './configuration-lines.ts';
import { drawMoney, type MoneyEvent } from './money-drawing.ts';
import type { Output } from './output.ts';
import { createPen, type Pen } from './pen.ts';
import { writtenOut } from '../../../workflows/contracts/hidden-characters.ts';
import { printable, printableLine } from './printable.ts';
import { drawRewind, type RewindEvent } from './rewind-lines.ts';
import { toSpent } from './run-money.ts';
import { shortId } from './short-id.ts';
import { drawSteer, type SteerEvent } from './steer-drawing.ts';
import { drawTask, isOfTask, type TaskEvent } from './task-drawing.ts';
import { toldWords } from './told-words.ts';

export interface Renderer {
  render(event: Event): void;
  /** A line of our own between the events, such as a lost connection. */
  note(text: string): void;
}

type EventOf<T extends Event['type']> = Extract<Event, { type: T }>;
type RunEvent = EventOf<
  | 'run-queued'
  | 'run-ready'
  | 'run-start'
  | 'run-stuck'
  | 'run-resume'
  | 'run-end'
  | 'project-record'
  | 'executor-silent'
  | 'executor-back'
>;
type CallEvent = EventOf<'call-request' | 'call-start' | 'call-delta' | 'call-end' | 'call-settle'>;
type TroubleEvent = EventOf<'attempt-error' | 'late-write' | 'dead-letter' | 'stall'>;
type OccurrenceEvent = EventOf<'occurrence-start' | 'occurrence-end'>;
type ApprovalEvent = EventOf<'approval-request' | 'approval-escalation' | 'approval-response'>;
type StepEvent = Exclude<
  Event,
  | RunEvent
  | CallEvent
  | DelegationEvent
  | ApprovalEvent
  | SteerEvent
  | TroubleEvent
  | ContextEvent
  | MoneyEvent
  | RewindEvent
  | TaskEvent
  | OccurrenceEvent
  | EventOf<'message-end'>
>;

export function createRenderer(output: Output, startedAt?: string): Renderer {
  const pen = createPen(output);
  const calls = createCallDrawing(pen);
  // The step whose text has streamed; folded events stream none.
  let streamed = 0;
  // The last step with text or thoughts on screen.
  let shown = 0;
  let begunAt = startedAt;
  let atCeiling = false;
  return {
    note: pen.note,
    render(event) {
      if (event.type === 'step-end' && !event.payload.priced) atCeiling = true;
      // Of a stream of its own, and many.
      if (isOfTask(event)) return drawTask(pen, event);
      switch (event.type) {
        case 'run-queued':
        case 'run-start':
          begunAt = startedAt ?? event.at;
          return drawRun(pen, event, begunAt);
        case 'run-ready':
        case 'run-stuck':
        case 'run-resume':
        case 'executor-silent':
        case 'executor-back':
        case 'project-record':
        case 'run-end':
          return drawRun(pen, event, begunAt, atCeiling);
        case 'call-request':
        case 'call-start':
        case 'call-delta':
        case 'call-end':
        case 'call-settle':
          return drawCall(pen, calls, event);
        case 'approval-request':
        case 'approval-escalation':
        case 'approval-response':
          return drawApproval(pen, event);
        case 'delegation-start':
        case 'delegation-end':
        case 'delegation-approval':
          return drawDelegation(pen, event);
        case 'steer-request':
        case 'steer-response':
        case 'interrupt-request':
        case 'cancel-request':
          return drawSteer(pen, event);
        case 'attempt-error':
        case 'late-write':
        case 'dead-letter':
        case 'stall':
          return drawTrouble(pen, event);
        case 'context-compaction-start':
        case 'context-compaction-end':
          return drawContext(pen, event);
        case 'checkpoint-error':
        case 'rewind-start':
        case 'rewind-end':
          return drawRewind(pen, event);
        case 'budget-warning':
        case 'price-unknown':
          return drawMoney(pen, event);
        case 'occurrence-start':
        case 'occurrence-end':
          return pen.note(toldWords(event));
        case 'message-end':
          // Its text has streamed already, unless its pieces were folded into it.
          if (event.payload.step !== streamed) drawMessage(pen, event.payload.text);
          return;
        case 'message-reset':
          // Where the attempt before said nothing, there is nothing to take back.
          if (event.payload.step === shown) drawStep(pen, event);
          streamed = shown = 0;
          return;
        default:
          if (event.type === 'text-start' || event.type === 'text-delta') streamed = event.payload.step;
          if (event.type === 'text-delta' || event.type === 'thinking-delta') shown = event.payload.step;
          return drawStep(pen, event);
      }
    },
  };
}

function drawRun(pen: Pen, event: RunEvent, begunAt: string | undefined, atCeiling = false): void {
  const { note, warn, short } = pen;
  switch (event.type) {
    case 'run-queued': {
      const { model, policy, priority, parked, acceptNoContainment, alternativeOf } = event.payload;
      const unusual = [...(priority === 'normal' ? [] : [`${priority} priority`]), ...toPlace(event.payload)];
      note([`run ${shortId(event.stream)}`, short(model), short(policy), ...unusual].join(' · '));
      if (alternativeOf) note(`answers the message of run ${shortId(alternativeOf)} anew`);
      if (acceptNoContainment)
        warn('accepted: no sandbox has to contain this run, so a shell may reach what its user can');
      drawConfiguration(pen, event.payload);
      return parked
        ? note('the conversation is busy: this run starts when the active one has ended')
        : undefined;
    }
    case 'run-ready':
      return note(`its turn has come: run ${shortId(event.payload.after)} has ended`);
    case 'run-start':
      return event.payload.scripted
        ? note('the scripted model answers: it follows a script and is no real model')
        : undefined;
    case 'run-stuck':
      return warn(`stuck: ${short(event.payload.reason)}`);
    case 'run-resume':
      return note(`goes on: ${short(event.payload.reason)}`);
    case 'executor-silent': {
      const { executor, since, until } = event.payload;
      return warn(`waits for the executor ${short(executor)}, silent since ${since}; fails at ${until}`);
    }
    case 'executor-back':
      return note(`the executor ${short(event.payload.executor)} is back`);
    case 'project-record':
      return note(recordLine(event.payload));
    case 'run-end': {
      const milliseconds = begunAt === undefined ? undefined : Date.parse(event.at) - Date.parse(begunAt);
      return drawEnd(pen, event, milliseconds, atCeiling);
    }
  }
}

function homeWords(stream: string, { toApply, bringsHome }: EventPayload<'run-end'>): string[] {
  if (!toApply) return [];
  return [
    bringsHome
      ? 'its changes are being brought home'
      : `its changes come home by perdure apply ${shortId(stream)}`,
  ];
}

function drawApproval(pen: Pen, event: ApprovalEvent): void {
  const { note, warn, short } = pen;
  switch (event.type) {
    case 'approval-request': {
      const { approvalId, kind, text, choices, deadlineAt } = event.payload;
      // A person may decide by it: hidden characters are shown.
      warn(`${asks[kind]}: ${short(writtenOut(text))}`);
      for (const choice of choices) note(`  ${short(writtenOut(choice))}`);
      const how =
        kind === 'result' ? 'the caller answers it' : `perdure approve ${printable(shortId(approvalId))}`;
      return note(`${how}, until ${printable(deadlineAt)}`);
    }
    case 'approval-escalation':
      return warn(
        `still unanswered: ${printable(shortId(event.payload.approvalId))}, until ${printable(event.payload.deadlineAt)}`,
      );
    case 'approval-response': {
      const { outcome, by, note: said, edited } = event.payload;
      const how = edited ? `${outcome} with other arguments` : outcome;
      return note(`${how} by ${short(by)}${said === null ? '' : `: ${short(said)}`}`);
    }
  }
}

const asks = {
  call: 'may it',
  question: 'the agent asks',
  result: 'waits for the caller',
  limit: 'the money is used up',
} as const;

function drawEnd(
  pen: Pen,
  { stream, payload }: EventOf<'run-end'>,
  milliseconds: number | undefined,
  atCeiling: boolean,
): void {
  const { colors } = pen;
  const { status, reason, reasonText, steps, usage, costMicros, deniedCalls } = payload;
  if (reason !== 'finished') pen.sentence(printable(reasonText || reason));
  if (deniedCalls) drawDenied(pen, deniedCalls);
  const paint = status === 'succeeded' ? colors.green : status === 'failed' ? colors.red : colors.yellow;
  const took = milliseconds === undefined ? [] : [toDuration(milliseconds)];
  const [put, got] = [usage.inputTokens, usage.outputTokens].map((count) => count.toLocaleString('en'));
  const denied = deniedCalls
    ? [`${plural(deniedCalls.count, 'call')} denied: perdure show ${shortId(stream)}`]
    : [];
  const rest = [
    toSpent(costMicros, atCeiling),
    plural(steps, 'step'),
    ...took,
    `${put} tokens in, ${got} out`,
    ...denied,
    ...homeWords(stream, payload),
  ];
  pen.sentence(`${colors.bold(paint(status.replace('_', ' ')))} · ${rest.join(' · ')}`);
}

function drawMessage(pen: Pen, text: string): void {
  pen.prose(printable(text));
  pen.endLine();
}

// What happened, not what follows: after the last try, or at the limit of steps, no step follows.
const restWords = {
  cut: 'the answer was cut at its longest length',
  empty: 'the answer was empty',
  paused: 'the model paused in its turn',
};

function drawStep(pen: Pen, event: StepEvent): void {
  switch (event.type) {
    case 'step-start':
      return pen.note(`step ${event.payload.step} · ${pen.short(event.payload.model)}`);
    case 'step-end':
      return event.payload.unfinished ? pen.note(restWords[event.payload.unfinished]) : undefined;
    case 'text-delta':
      return pen.prose(printable(event.payload.text));
    case 'thinking-delta':
      return pen.write(pen.colors.dim(printable(event.payload.text)));
    case 'text-start':
    case 'thinking-start':
    case 'text-end':
    case 'thinking-end':
      return pen.endLine();
    case 'part-end':
      return pen.note(partLine(event.payload));
    case 'message-reset': {
      const { step, reason } = event.payload;
      return pen.warn(`superseded: the text of step ${step} above (${pen.short(reason)})`);
    }
    default:
      return drawUnknown(pen, event);
  }
}

function drawCall(pen: Pen, calls: CallDrawing, event: CallEvent): void {
  switch (event.type) {
    case 'call-request':
      return calls.request(event.payload);
    // The request has just been shown.
    case 'call-start':
      return;
    case 'call-delta':
      return calls.delta(event.payload);
    case 'call-end':
      return calls.end(event.payload);
    case 'call-settle': {
      const { callId, outcome, by } = event.payload;
      return pen.note(`call ${callId} was settled as ${outcome} by ${pen.short(by)}`);
    }
  }
}

function drawTrouble({ note, warn, short }: Pen, event: TroubleEvent): void {
  switch (event.type) {
    case 'attempt-error': {
      const { unit, attempt, reason, retry } = event.payload;
      return warn(`${unit}, attempt ${attempt}: ${short(reason)}${retry ? '; tried again' : ''}`);
    }
    case 'stall':
      return warn(`it gets nowhere: asked to plan anew (${event.payload.replans})`);
    case 'late-write':
      return note(`refused a late write of ${event.payload.unit}: ${short(event.payload.what)}`);
    case 'dead-letter':
      return warn(`gave up: ${short(event.payload.reason)}; see \`perdure dead-letters\``);
  }
}

/** The types say this never runs; a server newer than this client can still send what it does not know. */
function drawUnknown(pen: Pen, event: never): void {
  pen.note(printableLine(String((event as { type?: unknown }).type), 80));
}

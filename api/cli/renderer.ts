// Draws the events of one run as they come, for `run`, `watch` and `demo`. Everything a model, a tool or a person
// wrote passes printable(); a new event type does not compile until it is drawn here.
import type { Event, EventPayload } from '../../workflows/contracts/event.ts';
import { plural, toDollars, toDuration, toSize } from './figures.ts';
import type { Output } from './output.ts';
import { printable, printableLine } from './printable.ts';

export interface Renderer {
  render(event: Event): void;
  /** A line of our own between the events, such as a lost connection. */
  note(text: string): void;
}

// A result that was not streamed shows its beginning; `perdure status` and the API have the whole.
const outputLines = 12;

export function createRenderer(output: Output, startedAt?: string): Renderer {
  const { colors } = output;
  let midLine = false;
  let begunAt = startedAt;
  // The unfinished last line of each running call's live output; a call without an entry has streamed nothing.
  const partial = new Map<string, string>();

  const write = (text: string): void => {
    if (text === '') return;
    output.write(text);
    midLine = !text.endsWith('\n');
  };
  const line = (text: string): void => {
    if (midLine) output.write('\n');
    midLine = false;
    output.line(text);
  };
  const note = (text: string): void => line(colors.dim(`— ${text}`));
  const warn = (text: string): void => line(colors.yellow(`! ${text}`));
  const short = (text: string): string => printableLine(text, output.columns - 24);
  // Calls of one step run side by side: their lines carry the call's number while more than one is open.
  const open = new Set<string>();
  const quoted = (callId: string, text: string): void => {
    const whose = open.size > 1 ? `${callId} ` : '';
    line(colors.dim(`  ${whose}│ ${printable(text)}`));
  };

  function delta({ callId, text }: EventPayload<'call-delta'>): void {
    const lines = ((partial.get(callId) ?? '') + text).split(/\r\n|\n|\r(?!$)/);
    partial.set(callId, lines.pop() ?? '');
    for (const each of lines) quoted(callId, each);
  }

  function callEnd(call: EventPayload<'call-end'>): void {
    const { callId, status, tool, bytes } = call;
    const streamed = partial.get(callId);
    partial.delete(callId);
    if (streamed !== undefined && streamed !== '') quoted(callId, streamed);
    open.delete(callId);
    const end = `${callId} ${short(tool)}`;
    const size = bytes > 0 ? colors.dim(` · ${toSize(bytes)}`) : '';
    if (status === 'succeeded') line(`${colors.green('✓')} ${end}${size}`);
    else if (status === 'unknown')
      line(colors.yellow(`? ${end} · outcome unknown: it may have taken effect`));
    else line(`${colors.red('✗')} ${end} ${status}${size}`);
    // What nobody can tell, and what was refused, is in the result alone and always shown.
    if (streamed !== undefined && status !== 'unknown' && status !== 'denied') return;
    const lines = call.output === '' ? [] : printable(call.output).trimEnd().split('\n');
    const left = lines.length - outputLines;
    const shown = left > 0 ? [...lines.slice(0, outputLines), `… ${plural(left, 'more line')}`] : lines;
    for (const each of shown) line(colors.dim(`  │ ${each}`));
  }

  function callRequest(call: EventPayload<'call-request'>): void {
    open.add(call.callId);
    const what = short(call.subject === '' ? call.input : call.subject);
    line(`${colors.cyan('→')} ${call.callId} ${colors.bold(short(call.tool))} ${what}`);
    if (call.decision !== 'allow') warn(`${call.decision}: ${short(call.reason)} (${short(call.rule)})`);
  }

  function queued(event: Event & { type: 'run-queued' }): void {
    const { model, policy, priority, parked } = event.payload;
    begunAt ??= event.at;
    note(`${printable(event.stream)} · ${short(model)} · ${short(policy)} · ${priority} priority`);
    if (parked) note('the conversation is busy: this run starts when the active one has ended');
  }

  function started(event: Event & { type: 'run-start' }): void {
    begunAt = startedAt ?? event.at;
    if (event.payload.scripted) note('the scripted model answers: it follows a script and is no real model');
  }

  function ended(event: Event & { type: 'run-end' }): void {
    const { status, reason, reasonText, steps, usage, costMicros } = event.payload;
    if (reason !== 'finished') line(printable(reasonText || reason));
    const paint = status === 'succeeded' ? colors.green : status === 'failed' ? colors.red : colors.yellow;
    const took = begunAt === undefined ? [] : [toDuration(Date.parse(event.at) - Date.parse(begunAt))];
    const spent = `${usage.inputTokens.toLocaleString('en')} tokens in, ${usage.outputTokens.toLocaleString('en')} out`;
    const rest = [toDollars(costMicros), plural(steps, 'step'), ...took, spent].join(' · ');
    line(`${colors.bold(paint(status.replace('_', ' ')))} · ${rest}`);
  }

  function steered({ outcome, step, reason }: EventPayload<'steer-response'>): void {
    if (outcome === 'applied') note(`the message was applied at step ${step}`);
    else warn(`the message was refused: ${short(reason ?? 'no reason given')}`);
  }

  function render(event: Event): void {
    switch (event.type) {
      case 'run-queued':
        return queued(event);
      case 'run-ready':
        return note(`its turn has come: run ${event.payload.after} has ended`);
      case 'run-start':
        return started(event);
      case 'run-stuck':
        return warn(`stuck: ${short(event.payload.reason)}`);
      case 'run-resume':
        return note(`goes on: ${short(event.payload.reason)}`);
      case 'run-end':
        return ended(event);
      case 'step-start':
        return note(`step ${event.payload.step} · ${short(event.payload.model)}`);
      case 'step-end':
        return event.payload.priced
          ? undefined
          : note('the price of this model is unknown: the ceiling was charged');
      case 'text-start':
      case 'thinking-start':
        return midLine ? write('\n') : undefined;
      case 'text-delta':
        return write(printable(event.payload.text));
      case 'thinking-delta':
        return write(colors.dim(printable(event.payload.text)));
      case 'text-end':
      case 'thinking-end':
        return midLine ? write('\n') : undefined;
      case 'message-reset':
        return warn(
          `superseded: the text of step ${event.payload.step} above (${short(event.payload.reason)})`,
        );
      case 'message-end':
        return undefined;
      case 'call-request':
        return callRequest(event.payload);
      case 'call-start':
        return undefined;
      case 'call-delta':
        return delta(event.payload);
      case 'call-end':
        return callEnd(event.payload);
      case 'call-settle':
        return note(
          `call ${event.payload.callId} was settled as ${event.payload.outcome} by ${short(event.payload.by)}`,
        );
      default:
        return renderControl(event);
    }
  }

  function renderControl(event: Extract<Event, { type: ControlType }>): void {
    switch (event.type) {
      case 'steer-request':
        return line(`${colors.magenta('»')} ${short(event.payload.by)}: ${short(event.payload.text)}`);
      case 'steer-response':
        return steered(event.payload);
      case 'interrupt-request':
        return note(`interrupt asked for by ${short(event.payload.by)}`);
      case 'cancel-request':
        return note(`cancel asked for by ${short(event.payload.by)}`);
      case 'attempt-error': {
        const { unit, attempt, reason, retry } = event.payload;
        return warn(`${unit}, attempt ${attempt}: ${short(reason)}${retry ? '; tried again' : ''}`);
      }
      case 'late-write':
        return note(`refused a late write of ${event.payload.unit}: ${short(event.payload.what)}`);
      case 'dead-letter':
        return warn(`gave up: ${short(event.payload.reason)}; see \`perdure dead-letters\``);
      default:
        return undrawn(event);
    }
  }

  // The types say this never runs; a server newer than this client can still send what it does not know.
  function undrawn(event: never): void {
    note(printableLine(String((event as { type?: unknown }).type), output.columns - 2));
  }

  return { render, note };
}

type ControlType =
  | `${'steer'}-${'request' | 'response'}`
  | 'interrupt-request'
  | 'cancel-request'
  | 'attempt-error'
  | 'late-write'
  | 'dead-letter';

// Draws tool calls: what is called, what it writes while it runs, and what came of it.
import type { EventPayload } from '../../../workflows/contracts/event.ts';
import { plural, toSize } from './figures.ts';
import type { Pen } from './pen.ts';
import { printable } from './printable.ts';

export interface CallDrawing {
  request(call: EventPayload<'call-request'>): void;
  delta(delta: EventPayload<'call-delta'>): void;
  end(call: EventPayload<'call-end'>): void;
}

// A result that was not streamed shows its beginning; the API has the whole.
const outputLines = 12;

export function createCallDrawing(pen: Pen): CallDrawing {
  const { colors, line, short } = pen;
  // The unfinished last line of each running call's live output; a call without an entry has streamed nothing.
  const partial = new Map<string, string>();
  // Calls of one step run side by side: their lines carry the call's number while more than one is open.
  const open = new Set<string>();

  function quoted(callId: string, text: string): void {
    const whose = open.size > 1 ? `${callId} ` : '';
    line(colors.dim(`  ${whose}│ ${printable(text)}`));
  }

  function request(call: EventPayload<'call-request'>): void {
    open.add(call.callId);
    const what = short(call.runs ?? (call.subject === '' ? call.input : call.subject));
    line(`${colors.cyan('→')} ${call.callId} ${colors.bold(short(call.tool))} ${what}`);
    if (call.repairs) pen.note(`arguments repaired: ${short(call.repairs.join('; '))}`);
    if (call.decision !== 'allow') pen.warn(`${call.decision}: ${short(call.reason)} (${short(call.rule)})`);
  }

  function delta({ callId, text }: EventPayload<'call-delta'>): void {
    const lines = ((partial.get(callId) ?? '') + text).split(/\r\n|\n|\r(?!$)/);
    partial.set(callId, lines.pop() ?? '');
    for (const each of lines) quoted(callId, each);
  }

  function end(call: EventPayload<'call-end'>): void {
    const { callId, status, tool, bytes, output } = call;
    const streamed = partial.get(callId);
    partial.delete(callId);
    if (streamed !== undefined && streamed !== '') quoted(callId, streamed);
    open.delete(callId);
    const what = `${callId} ${short(tool)}`;
    const size = bytes > 0 ? colors.dim(` · ${toSize(bytes)}`) : '';
    if (status === 'succeeded') line(`${colors.green('✓')} ${what}${size}`);
    else if (status === 'unknown')
      line(colors.yellow(`? ${what} · outcome unknown: it may have taken effect`));
    else line(`${colors.red('✗')} ${what} ${status}${size}`);
    // The result alone explains an unknown outcome or a denial, so it is always shown.
    if (streamed !== undefined && status !== 'unknown' && status !== 'denied') return;
    const lines = output === '' ? [] : printable(output).trimEnd().split('\n');
    const left = lines.length - outputLines;
    const shown = left > 0 ? [...lines.slice(0, outputLines), `… ${plural(left, 'more line')}`] : lines;
    for (const each of shown) line(colors.dim(`  │ ${each}`));
  }

  return { request, delta, end };
}

/** Drawn at the end: early denials have scrolled away. */
export function drawDenied(
  { warn, short }: Pen,
  { count, items }: NonNullable<EventPayload<'run-end'>['deniedCalls']>,
): void {
  warn(`${plural(count, 'call')} denied:`);
  for (const { callId, tool, subject, reason } of items) {
    warn(`  ${callId} ${short(`${tool} ${subject}`)}`);
    warn(`    ${short(reason)}`);
  }
  if (count > items.length) warn(`  … ${count - items.length} more`);
}

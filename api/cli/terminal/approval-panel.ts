// What a person sees before they decide: the exact command, path or host, the arguments, the rule and its reason.
// Nothing in it can hide, and no line of it can pass for one of ours.
import type { ApprovalView } from '../../../workflows/contracts/approval.ts';
import { plural, toDuration } from './figures.ts';
import type { Output } from './output.ts';
import { writtenOut } from '../../../workflows/contracts/hidden-characters.ts';
import { exactJson, printableLine } from './printable.ts';

// A screen's half: the arguments of a write are a whole file.
const argumentLines = 12;
const edge = '  │ ';
// Narrower than this it is better broken by the terminal than read a letter a line.
const leastWidth = 16;

/** True when arguments were left out; `whole` leaves none out. */
export function showApproval(output: Output, approval: ApprovalView, whole = false): boolean {
  const { colors, line } = output;
  const { tool, effect, subject, runs, text, input, repairs, choices, rule, reason, kind } = approval;
  const show = (lines: string[]): void => {
    for (const each of lines) line(`${edge}${each}`);
  };
  const wrap = (shown: string): string[] =>
    wrapped(writtenOut(shown), Math.max(leastWidth, output.columns - edge.length));
  if (kind !== 'call') {
    show(wrap(text));
    for (const [index, choice] of choices.entries()) show(wrap(`${index + 1}  ${choice}`));
    line(colors.dim(`  ${untilWhen(approval)}`));
    return false;
  }
  line(colors.bold(`  ${printableLine(tool ?? '', 80)} (${effect ?? 'effect unknown'})`));
  show(wrap(subject ?? text));
  if (runs !== null) {
    line('  which runs as');
    show(wrap(runs));
  }
  const given = isSaidBy(subject, input) ? [] : wrap(exactJson(input));
  const left = whole ? 0 : Math.max(0, given.length - argumentLines);
  if (given.length > 0) line('  with the arguments');
  show(given.slice(0, given.length - left));
  if (repairs.length > 0) line(`  arguments repaired: ${printableLine(repairs.join('; '), 500)}`);
  if (left > 0) line(`  … ${plural(left, 'more line')}`);
  const why = [rule, reason].map((part) => printableLine(part ?? 'unknown', 500));
  line(colors.dim(`  rule ${why.join(' · ')} · ${untilWhen(approval)}`));
  return left > 0;
}

/** A command whose only argument is its text need not be read twice. */
function isSaidBy(subject: string | null, input: unknown): boolean {
  const values = typeof input === 'object' && input !== null ? Object.values(input) : [];
  const [only] = values;
  return values.length === 1 && typeof only === 'string' && writtenOut(only) === subject;
}

function untilWhen({ kind, deadlineAt }: ApprovalView): string {
  const left = toDuration(Math.max(0, Date.parse(deadlineAt) - Date.now()));
  return `${kind === 'question' ? 'unanswered' : 'denied'} in ${left} if nobody answers`;
}

/** Lines that no terminal breaks once more: a wide character counts two, a tab as much as it can take. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    let part = '';
    let used = 0;
    for (const character of line) {
      const wide = (character.codePointAt(0) ?? 0) >= 0x1100;
      const cells = character === '\t' ? 8 : wide ? 2 : 1;
      if (used + cells > width) {
        lines.push(part);
        part = '';
        used = 0;
      }
      part += character;
      used += cells;
    }
    lines.push(part);
  }
  return lines;
}

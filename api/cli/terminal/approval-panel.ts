// What a person sees before they decide: the exact command, path or host, the arguments, the rule and its reason.
// Nothing in it can hide, and no line of it can pass for one of ours.
import type { ApprovalView } from '../../../workflows/contracts/approval.ts';
import { plural, toDuration } from './figures.ts';
import type { Output } from './output.ts';
import { writtenOut } from '../../../workflows/contracts/hidden-characters.ts';
import { exactJson, printableLine } from './printable.ts';

// A screen's half: the arguments of a write are a whole file.
const argumentLines = 12;
// A screen of 24 lines, with room for the question.
const changeLines = 16;
const edge = '  │ ';
// Narrower than this it is better broken by the terminal than read a letter a line.
const leastWidth = 16;

/** True when something was left out; `whole` leaves nothing out. */
export function showApproval(output: Output, approval: ApprovalView, whole = false): boolean {
  const { colors, line } = output;
  const { tool, effect, subject, runs, text, input, repairs, choices, rule, reason, kind, change } = approval;
  const show = (lines: string[], paint = (each: string): string => each): void => {
    for (const each of lines) line(`${edge}${paint(each)}`);
  };
  const wrap = (shown: string): string[] =>
    wrapped(writtenOut(shown), Math.max(leastWidth, output.columns - edge.length));
  if (kind !== 'call') {
    const width = Math.max(leastWidth, output.columns - edge.length);
    const inWords = (shown: string): string[] =>
      writtenOut(shown)
        .split('\n')
        .flatMap((each) => wrappedWords(each, width));
    show(inWords(text));
    for (const [index, choice] of choices.entries()) show(inWords(`${index + 1}. ${choice}`));
    line(colors.dim(`  ${untilWhen(approval)}`));
    return false;
  }
  line(colors.bold(`  ${printableLine(tool ?? '', 80)} (${effect ?? 'effect unknown'})`));
  show(wrap(subject ?? text));
  if (runs !== null && (whole || !isWrittenAlike(subject ?? text, runs))) {
    line('  which runs as');
    show(wrap(runs));
  }
  const shown: { text: string; paint?: (line: string) => string }[] = [];
  if (change)
    for (const each of change.split('\n').filter((each, index, all) => each !== '' || index < all.length - 1))
      shown.push(...wrap(each).map((piece) => ({ text: piece, paint: paintOf(output, each) })));
  const given = isSaidBy(subject, input) || (change && !whole) ? [] : wrap(exactJson(input));
  const most = change ? changeLines : argumentLines;
  const left = whole ? 0 : Math.max(0, shown.length + given.length - most);
  if (shown.length > 0) line('  which changes');
  for (const { text: each, paint } of shown.slice(0, whole ? shown.length : most)) show([each], paint);
  if (given.length > 0) line('  with the arguments');
  show(given.slice(0, Math.max(0, given.length - left)));
  if (repairs.length > 0) line(`  arguments repaired: ${printableLine(repairs.join('; '), 500)}`);
  if (left > 0) line(`  … ${plural(left, 'more line')}`);
  const why = [rule, reason].map((part) => printableLine(part ?? 'unknown', 500));
  const end = `rule ${why.join(' · ')} · ${untilWhen(approval)}`;
  for (const each of wrappedWords(end, Math.max(leastWidth, output.columns - 2)))
    line(colors.dim(`  ${each}`));
  return left > 0 || (change !== undefined && change !== null);
}

/** How a line of a diff is coloured. */
function paintOf({ colors }: Output, diffLine: string): (line: string) => string {
  if (/^(?:---|\+\+\+) /.test(diffLine)) return colors.bold;
  if (diffLine.startsWith('+')) return colors.green;
  if (diffLine.startsWith('-')) return colors.red;
  return diffLine.startsWith('@@') ? colors.cyan : (each) => each;
}

/** Whether two texts of a command differ in blanks and in needless quotes only. */
function isWrittenAlike(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) =>
    text
      .trim()
      .replace(/[ \t]+/g, ' ')
      .replaceAll('"', "'")
      .replace(/'([\w./:=@%+,-]+)'/g, '$1'),
  );
  return first === second;
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

/** Lines of whole words; only a longer word is broken. */
export function wrappedWords(text: string, width: number, joint = ' '): string[] {
  const lines: string[] = [];
  for (const word of text.split(joint).flatMap((each) => wrapped(each, width))) {
    const last = lines.at(-1);
    if (last === undefined || last.length + joint.length + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last}${joint}${word}`;
  }
  return lines;
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

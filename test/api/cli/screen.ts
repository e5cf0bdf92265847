// What a terminal shows of what was written to it; it knows the control sequences that a prompt uses and no others.
import { eventually } from './captured.ts';

// From here to the letter is a control sequence.
const start = `${String.fromCharCode(27)}\\[`;
const sequences = new RegExp(`${start}(\\d*)([A-Z])|[^]`, 'g');

export function screenOf(text: string): string[] {
  const lines = [''];
  let [row, column] = [0, 0];
  for (const [part, count = '', letter] of text.matchAll(sequences)) {
    if (letter === 'A') row -= Number(count || 1);
    else if (letter === 'G') column = Number(count || 1) - 1;
    else if (letter === 'J') lines.splice(row, lines.length, (lines[row] ?? '').slice(0, column));
    else if (part === '\r') column = 0;
    else if (part === '\n') [row, column] = [row + 1, 0];
    else {
      lines[row] =
        (lines[row] ?? '').padEnd(column).slice(0, column) + part + (lines[row] ?? '').slice(column + 1);
      column += 1;
    }
    lines[row] ??= '';
  }
  return lines;
}

/** Resolves when this many of it are on the screen. */
export async function seen({ out }: { out(): string }, text: string, times = 1): Promise<void> {
  await eventually(() => screenOf(out()).join('\n').split(text).length > times || undefined);
}

// The end of a log file, for a sentence about why a process did not start.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** One sentence with its last lines. */
export function endOfLog(file: string): string {
  const last = lastLines(file);
  return last === '' ? `Its log ${file} is empty.` : `Its log ${file} ends:\n${last}`;
}

function lastLines(file: string, lines = 5): string {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch {
    // A hint is no reason to fail.
    return '';
  }
  try {
    const { size } = fstatSync(handle);
    // Five lines fit into 4 KB; a longer line is cut, which is fine for a hint.
    const buffer = Buffer.alloc(Math.min(size, 4_096));
    readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.toString('utf8').trimEnd();
    const last = text === '' ? [] : text.split('\n').slice(-lines);
    // The beginning of a line says what happened; a stack in JSON fills a screen.
    return last.map((line) => `  ${line.slice(0, 300)}`).join('\n');
  } finally {
    closeSync(handle);
  }
}

// The end of a log file, for a sentence about why a process did not start.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export function logTail(file: string, lines = 5): string {
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
    const last = buffer.toString('utf8').trimEnd().split('\n').slice(-lines);
    // The beginning of a line says what happened; a stack in JSON fills a screen.
    return last.map((line) => `  ${line.slice(0, 300)}`).join('\n');
  } finally {
    closeSync(handle);
  }
}

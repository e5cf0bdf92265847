// Keeps the log files small: at 10 MB the content moves to a numbered copy, of which three stay.
// Copied and cut, not renamed, because the processes that write hold the file open and append.
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
} from 'node:fs';
import path from 'node:path';

// A size that every editor opens; with three copies a process's log is at most 40 MB.
const largest = 10 * 1024 * 1024;
const copies = 3;

function rotate(file: string): void {
  for (let number = copies - 1; number >= 1; number -= 1) {
    if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
  }
  copyFileSync(file, `${file}.1`);
  // What came in while copying; after it only the instant until the cut is left.
  const copied = statSync(`${file}.1`).size;
  if (statSync(file).size > copied) appendFileSync(`${file}.1`, readFileSync(file).subarray(copied));
  truncateSync(file, 0);
}

export function rotateLogs(folder: string): void {
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.log'))) {
    const file = path.join(folder, name);
    if (statSync(file).size > largest) rotate(file);
  }
}

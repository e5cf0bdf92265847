// Keeps the log files small: at 10 MB the content moves to a numbered copy, of which three stay.
// Copied and cut, not renamed, because the processes that write hold the file open and append.
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import path from 'node:path';

// A size that every editor opens; with three copies a process's log is at most 40 MB.
const largest = 10 * 1024 * 1024;
const copies = 3;

/** The copy is whole before an older one moves: a try that fails, again and again on a full disk, loses none. */
function rotate(file: string): void {
  const copy = `${file}.new`;
  try {
    copyFileSync(file, copy);
    // What came in while copying; after it only the instant until the cut is left.
    const copied = statSync(copy).size;
    if (statSync(file).size > copied) appendFileSync(copy, readFileSync(file).subarray(copied));
  } catch (error) {
    rmSync(copy, { force: true });
    // The oldest lines are the ones to give up; with none left the log grows until there is room.
    if (isFull(error) && removeOldest(file)) return rotate(file);
    throw error;
  }
  for (let number = copies - 1; number >= 1; number -= 1) {
    if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
  }
  renameSync(copy, `${file}.1`);
  truncateSync(file, 0);
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function removeOldest(file: string): boolean {
  for (let number = copies; number >= 1; number -= 1) {
    if (!existsSync(`${file}.${number}`)) continue;
    rmSync(`${file}.${number}`);
    return true;
  }
  return false;
}

/** Rotates each that is too large; throws what kept the first back when all have had their turn. */
export function rotateLogs(folder: string): void {
  // Where the folder was removed there is nothing to rotate.
  if (!existsSync(folder)) return;
  const problems: unknown[] = [];
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.log'))) {
    const file = path.join(folder, name);
    try {
      if (statSync(file).size > largest) rotate(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') problems.push(error);
    }
  }
  if (problems.length > 0) throw problems[0];
}

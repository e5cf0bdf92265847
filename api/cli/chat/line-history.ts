// The lines that were typed in chats of this person, for the arrow keys: a file in their state folder that only they read.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface LineHistory {
  /** The newest first. */
  lines: string[];
  /** A line that begins with a space is not kept, as in a shell. */
  add(line: string): void;
}

// As many as a person goes back through.
const mostLines = 500;
// Read whole at each start.
const mostBytes = 512 * 1024;

export function openLineHistory(environment: Record<string, string | undefined>): LineHistory {
  const file = fileOf(environment);
  if (file === undefined) return { lines: [], add: () => undefined };
  const lines = read(file);
  return {
    lines: lines.toReversed(),
    add(line) {
      if (line.trim() === '' || line.startsWith(' ')) return;
      // A line that cannot be kept is sent all the same.
      attempt(() => {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
        appendFileSync(file, `${line}\n`, { mode: 0o600 });
      });
    },
  };
}

function fileOf({ XDG_STATE_HOME, HOME }: Record<string, string | undefined>): string | undefined {
  const folder = XDG_STATE_HOME || (HOME && join(HOME, '.local', 'state'));
  return folder ? join(folder, 'perdure', 'chat-history') : undefined;
}

function read(file: string): string[] {
  const text = attempt(() => readFileSync(file, 'utf8')) ?? '';
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .slice(-mostLines);
  if (text.length > mostBytes) attempt(() => writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 }));
  return lines;
}

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

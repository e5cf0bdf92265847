// Real shells that run texts one after the other in a folder of their own, where all programs do is to note their names
// and arguments. Nothing else is on the PATH.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { files, home } from './expected.ts';
import { programs } from './texts.ts';

export const bash = '/bin/bash';

export interface Ran {
  /** Programs with their arguments. */
  runs: string[][];
}

export interface Shells {
  /** `whole`: each in a shell of its own, as in the product; else only now and then. */
  run(texts: readonly string[], whole?: 'whole'): Ran[];
  /** Files that were not there before, since the last time. */
  newFiles(): string[];
  close(): void;
}

const recorder = `#!/bin/sh
printf '%s\\0' "$#" "\${0##*/}" "$@" >> "$LOG"
case \${0##*/} in nope) exit 1 ;; esac
`;

const stands = path.join(import.meta.dirname, '../../../../activities/git/bound/start.bash');

// Bash writes line by line, and what runs beside it may write in between: line ends stand as this sign until they are read.
const lineEnd = '\u001e';

// Each text has a file for what it runs. `whole`: a shell of its own and real programs, as in the product, with what stands
// in for git there. Else a part of this shell, which is told of every program that it does not find; that is many times
// faster. Nothing writes to 200: everything that a text started has it open, so its end is the end of all of them, also of
// what no shell waits for, such as >(…).
const driver = `
mapfile -d '' -t texts < "$1"
mode=$3
command_not_found_handle() {
  printf '%s\\0' "$(($# - 1))" "\${@//$'\\n'/$'\\x1e'}" >> "$LOG"
  case $1 in nope) return 1 ;; ${programs.join('|')}) return 0 ;; *) return 127 ;; esac
}
export -f command_not_found_handle
{ for index in "\${!texts[@]}"; do
  export LOG="$2/$index"
  if [[ $mode == whole ]]; then BASH_ENV=$4 GIT_BOUND_PATH=$PATH "$BASH" -c -- "\${texts[index]}"; else ( true; eval "\${texts[index]}"; wait ); fi </dev/null >/dev/null 2>&1
done; } 200>&1 >/dev/null | read -r -N 1
`;

// A text in which something waits is not what is looked for here.
const longestBatchMs = 60_000;

export function createShells(): Shells {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-commands-'));
  const [bin, work, logs] = ['bin', 'work', 'logs'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [bin, work, logs]) mkdirSync(each);
  writeFileSync(path.join(folder, 'recorder'), recorder, { mode: 0o755 });
  for (const name of programs) symlinkSync('../recorder', path.join(bin, name));
  for (const name of files) writeFileSync(path.join(work, name), '');
  const before = readdirSync(work);
  const inputs = path.join(folder, 'texts');
  let batches = 0;

  function run(texts: readonly string[], whole?: 'whole'): Ran[] {
    rmSync(logs, { recursive: true });
    mkdirSync(logs);
    writeFileSync(inputs, texts.map((text) => `${text}\0`).join(''));
    batches += 1;
    try {
      const isWhole = whole !== undefined || batches % 20 === 1;
      execFileSync(bash, ['-c', driver, bash, inputs, logs, isWhole ? 'whole' : 'part', stands], {
        cwd: work,
        env: { PATH: isWhole ? bin : '/nowhere', HOME: home, LC_ALL: 'C.UTF-8' },
        stdio: 'ignore',
        timeout: longestBatchMs,
      });
    } catch (error) {
      // A status is that of the last text.
      if (typeof (error as { status?: unknown }).status !== 'number') throw error;
    }
    return texts.map((_, index) => ({ runs: readLog(path.join(logs, String(index))) }));
  }
  return {
    run,
    newFiles() {
      const found = readdirSync(work).filter((name) => !before.includes(name));
      for (const name of found) rmSync(path.join(work, name), { recursive: true });
      return found;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function readLog(file: string): string[][] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const fields = text.replaceAll(lineEnd, '\n').split('\0').slice(0, -1);
  const runs: string[][] = [];
  for (let at = 0; at < fields.length; ) {
    const count = Number(fields[at]);
    runs.push(
      fields.slice(at + 1, at + 2 + count).map((field) => field.replace(/\/dev\/fd\/\d+/g, '/dev/fd/N')),
    );
    at += 2 + count;
  }
  return runs;
}

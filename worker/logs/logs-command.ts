// `perdure logs [--process NAME] [--errors] [--request ID] [-f]`: all logs of the data folder as one, by time.
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { standardStreams } from '../../api/cli/terminal/standard-streams.ts';
import { processNames } from '../../workflows/contracts/system.ts';
import { loadConfig } from '../config/config.ts';
import { ConfigProblem } from '../config/config-problem.ts';
import type { LogLine } from './log-line.ts';
import { isError, toLogLine } from './log-line.ts';
import { logFolder } from '../data-folder.ts';

interface Wanted {
  process?: string | undefined;
  errors: boolean;
  request?: string | undefined;
}

// What a terminal still scrolls; everything else is in the files.
const mostLines = 1_000;
// As good as at once for a reader, and next to nothing for the machine.
const followEveryMs = 300;

function parse(args: string[]): { wanted: Wanted; follow: boolean; flags: string[] } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        process: { type: 'string' },
        errors: { type: 'boolean', default: false },
        request: { type: 'string' },
        follow: { type: 'boolean', short: 'f', default: false },
        data: { type: 'string' },
      },
    });
    const { process: name, errors, request, follow, data } = values;
    if (name !== undefined && !processNames.some((each) => each === name)) {
      throw new Error(`--process is one of ${processNames.join(', ')}`);
    }
    return {
      wanted: { process: name, errors, request },
      follow,
      flags: data === undefined ? [] : ['--data', data],
    };
  } catch (error) {
    throw new ConfigProblem(`${(error as Error).message}.`);
  }
}

function matches(line: LogLine, wanted: Wanted): boolean {
  if (wanted.errors && !isError(line)) return false;
  // Temporal's and Postgres's own lines know no request, but some of them quote it.
  return (
    wanted.request === undefined || line.requestId === wanted.request || line.text.includes(wanted.request)
  );
}

function toLines(process: string, text: string, before?: LogLine): LogLine[] {
  const lines: LogLine[] = [];
  for (const line of text.split('\n')) {
    if (line !== '') lines.push(toLogLine(process, line, lines.at(-1) ?? before));
  }
  return lines;
}

const { stdout } = standardStreams();

function print(lines: LogLine[]): void {
  for (const { time, level, process: name, text } of lines) {
    stdout.write(`${time} ${level.padEnd(5)} ${name.padEnd(10)} ${text}\n`);
  }
}

/** One process's log from its oldest copy on, and where the current file was read up to. */
function readAll(file: string, name: string): { lines: LogLine[]; end: number } {
  const copies = [3, 2, 1].map((number) => `${file}.${number}`).filter((copy) => existsSync(copy));
  const current = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  const whole = current.lastIndexOf(0x0a) + 1;
  const text = [...copies.map((copy) => readFileSync(copy, 'utf8')), current.toString('utf8', 0, whole)].join(
    '',
  );
  return { lines: toLines(name, text), end: whole };
}

interface Follower {
  name: string;
  file: string;
  end: number;
  last: LogLine | undefined;
}

/** The whole lines that came since; a file that was cut starts over. */
function readNew(follower: Follower): LogLine[] {
  if (!existsSync(follower.file)) return [];
  const handle = openSync(follower.file, 'r');
  try {
    const { size } = fstatSync(handle);
    if (size < follower.end) follower.end = 0;
    const bytes = Buffer.alloc(size - follower.end);
    readSync(handle, bytes, 0, bytes.length, follower.end);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    follower.end += whole;
    const lines = toLines(follower.name, bytes.toString('utf8', 0, whole), follower.last);
    follower.last = lines.at(-1) ?? follower.last;
    return lines;
  } finally {
    closeSync(handle);
  }
}

const byTime = (left: LogLine, right: LogLine) => left.time.localeCompare(right.time);

export async function runLogsCommand(args: string[]): Promise<number> {
  const { wanted, follow, flags } = parse(args);
  const folder = logFolder(loadConfig({ flags }).dataFolder);
  if (!existsSync(folder))
    throw new Error(`There are no logs in ${folder}: start with perdure serve, or set PERDURE_DATA.`);
  const names = processNames.filter((name) => wanted.process === undefined || name === wanted.process);
  const read = names.map((name) => ({
    name,
    file: path.join(folder, `${name}.log`),
    ...readAll(path.join(folder, `${name}.log`), name),
  }));
  const all = read.flatMap(({ lines }) => lines).filter((line) => matches(line, wanted));
  print(all.sort(byTime).slice(-mostLines));
  const followers: Follower[] = read.map(({ name, file, lines, end }) => ({
    name,
    file,
    end,
    last: lines.at(-1),
  }));
  // Following never ends by itself: without a reader there is nothing left to do.
  while (follow && !stdout.isGone) {
    await stdout.room();
    await sleep(followEveryMs);
    print(
      followers
        .flatMap(readNew)
        .filter((line) => matches(line, wanted))
        .sort(byTime),
    );
  }
  return 0;
}

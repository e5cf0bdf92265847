// How a command ended, from what a shell around it tells.
import { constants } from 'node:os';
import type { ExecResult } from '../sandbox.ts';

/** Shells tell of a signal by 128 and its number. */
export function asEnded({ exitCode, signal }: Pick<ExecResult, 'exitCode' | 'signal'>): ExecResult {
  const name = exitCode !== null && exitCode > 128 ? signalName(exitCode - 128) : undefined;
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name };
}

/** Undefined when no signal has the number. */
function signalName(number: number): NodeJS.Signals | undefined {
  const found = Object.entries(constants.signals).find(([, each]) => each === number);
  return found?.[0] as NodeJS.Signals | undefined;
}

const mostNamed = 5;

export const wasShortOfMemory =
  'the sandbox came to its limit of memory and a process was ended: do less at once';

/** What there is of several notes. */
export function noted(...notes: (string | false | undefined)[]): Pick<ExecResult, 'note'> {
  const said = notes.filter((note) => typeof note === 'string');
  return said.length > 0 ? { note: said.join('; ') } : {};
}

/** Of a report with a line `left PID COMMAND` for each process that was ended with its shell. */
export function leftIn(report: string): string | undefined {
  const left = [...report.matchAll(/^left (\d+ .*)$/gm)].map(([, process = '']) => process.trim());
  if (left.length === 0) return undefined;
  const more = left.length > mostNamed ? ` and ${left.length - mostNamed} more` : '';
  return `what it left running was ended with its shell: process ${left.slice(0, mostNamed).join(', ')}${more}; use background for what should go on`;
}

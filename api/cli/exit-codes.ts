// The exit codes of the CLI: what a script learns without reading a word.
import type { RunStatus } from '../../workflows/contracts/run.ts';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  timedOut: 3,
  interrupted: 4,
  cancelled: 5,
  unreachable: 6,
  // What a shell expects of a command that a Ctrl-C ended: 128 and the number of the signal.
  left: 130,
} as const;

/** The exit code of a run that ended so. */
export function exitCodeOf(status: RunStatus): number {
  const codes: Partial<Record<RunStatus, number>> = {
    succeeded: exitCodes.ok,
    timed_out: exitCodes.timedOut,
    interrupted: exitCodes.interrupted,
    cancelled: exitCodes.cancelled,
  };
  return codes[status] ?? exitCodes.failed;
}

export const exitCodesHelp = `
Exit codes of run, watch and demo:
  0 succeeded   1 failed   2 wrong usage   3 timed out   4 interrupted   5 cancelled
  6 server unreachable   130 left with Ctrl-C while the run goes on
Other commands end with 0, 1, 2 or 6.`;

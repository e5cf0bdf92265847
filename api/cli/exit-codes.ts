// The exit codes of every command, in one table: what a script learns without reading a word.
import type { RewindView } from '../../workflows/contracts/checkpoint.ts';
import type { RunStatus, StopReason } from '../../workflows/contracts/run.ts';

const table = {
  ok: { code: 0, means: 'done; of a run: it succeeded' },
  failed: { code: 1, means: 'refused or failed; of a run also: its changes were not brought home' },
  usage: { code: 2, means: 'wrong usage or wrong settings' },
  timedOut: { code: 3, means: 'the run timed out' },
  interrupted: { code: 4, means: 'the run was interrupted' },
  cancelled: { code: 5, means: 'the run was cancelled' },
  unreachable: { code: 6, means: 'there is no server, or it does not answer' },
  overBudget: { code: 7, means: 'the run failed at a limit of money, tokens or calls' },
  // What a shell expects of a command that a Ctrl-C ended: 128 and the number of the signal.
  left: { code: 130, means: 'left with Ctrl-C; the run goes on' },
} as const;

type Name = keyof typeof table;

export const exitCodes = Object.fromEntries(
  Object.entries(table).map(([name, { code }]) => [name, code]),
) as { readonly [Each in Name]: (typeof table)[Each]['code'] };

const limitsOfBudget: readonly StopReason[] = ['limit_cost', 'limit_tokens', 'limit_calls'];

/** The exit code of a run that ended so. What was to come home and did not is missing for the next command of a script. */
export function exitCodeOf(
  { status, reason }: { status: RunStatus; reason: StopReason | null },
  home?: Pick<RewindView, 'status'>,
): number {
  if (status === 'failed' && reason !== null && limitsOfBudget.includes(reason)) return exitCodes.overBudget;
  const codes: Partial<Record<RunStatus, number>> = {
    succeeded: home?.status === 'failed' ? exitCodes.failed : exitCodes.ok,
    timed_out: exitCodes.timedOut,
    interrupted: exitCodes.interrupted,
    cancelled: exitCodes.cancelled,
  };
  return codes[status] ?? exitCodes.failed;
}

export const exitCodesHelp = `
Exit codes:
${Object.values(table)
  .map(({ code, means }) => `  ${String(code).padStart(3)}  ${means}`)
  .join('\n')}
3, 4, 5, 7 and 130 are of run, watch and demo. The code is that of the outcome, also when the output has no reader any
more: \`perdure run … | head -1\` says no more, waits for the end of the run and ends with its code.`;

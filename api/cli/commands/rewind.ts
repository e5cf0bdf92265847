// `perdure rewind` and `perdure undo` bring the project of a run back, as far as the run changed it; `perdure apply` brings
// home what it changed in a tree of its own.
import { Command } from 'commander';
import type { RewindBody, RewindView } from '../../../workflows/contracts/checkpoint.ts';
import { exitCodes } from '../exit-codes.ts';
import { idHelp, idOf } from '../known-by.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { printableLine } from '../terminal/printable.ts';
import { rewindLines } from '../terminal/rewind-lines.ts';
import { rewindEnded } from '../terminal/rewind-result.ts';
import { shortId } from '../terminal/short-id.ts';
import { allCheckpoints, numberOf } from './checkpoints.ts';

const help =
  '\nFiles that were changed by another since, or that nobody can tell about, stay as they are and are named. A run that\n' +
  'is at work is refused: interrupt or cancel it first, or `perdure cancel --undo` it. What its subagents changed is\n' +
  'theirs: `perdure show` lists them, and each is taken back by its own id, the newest first.';

export function rewindCommand(cli: Cli): Command {
  return new Command('rewind')
    .addHelpText('after', exampleHelp('perdure rewind last 3'))
    .description('bring the project of a run back to one of its checkpoints')
    .argument('<run>', idHelp('run'))
    .argument('[number]', 'as `perdure checkpoints` lists it; the last that changed anything when left out')
    .option('--json')
    .addHelpText('after', help)
    .action(async (given: string, number: string | undefined, { json }: { json?: boolean }) => {
      const runId = await idOf(cli, given, 'run');
      const to = number === undefined ? await lastChange(cli, runId) : numberOf(number);
      await rewind(cli, runId, to, json);
    });
}

export function undoCommand(cli: Cli): Command {
  return new Command('undo')
    .addHelpText('after', exampleHelp('perdure undo last'))
    .description('take back what a run changed in its project')
    .argument('[run]', `${idHelp('run')}; the newest run when left out`, 'last')
    .option('--json')
    .addHelpText('after', help)
    .action(async (given: string, { json }: { json?: boolean }) =>
      rewind(cli, await idOf(cli, given, 'run'), 'start', json),
    );
}

export function applyCommand(cli: Cli): Command {
  return new Command('apply')
    .addHelpText('after', exampleHelp('perdure apply last'))
    .description('bring what a run changed in a tree of its own to its project')
    .argument('<run>', idHelp('run'))
    .option('--except-conflicts', 'leave out files that were changed in the project meanwhile')
    .option('--json')
    .addHelpText(
      'after',
      '\nA file that was changed in the project meanwhile is never overwritten: it is named, and nothing is brought home\n' +
        'without --except-conflicts.',
    )
    .action(
      async (given: string, { json, exceptConflicts }: { json?: boolean; exceptConflicts?: boolean }) => {
        const runId = await idOf(cli, given, 'run');
        await settled(
          cli,
          await cli.client().startApply(runId, exceptConflicts ? { exceptConflicts } : {}),
          json,
        );
      },
    );
}

async function lastChange(cli: Cli, runId: string): Promise<number> {
  const last = (await allCheckpoints(cli, runId)).findLast(({ changed }) => changed !== false);
  if (last) return last.number;
  throw new Error(`No call of run ${shortId(runId)} has changed anything.`);
}

export async function rewind(cli: Cli, runId: string, to: RewindBody['to'], json?: boolean): Promise<void> {
  await settled(cli, await cli.client().startRewind(runId, { to }), json);
}

/** Waits for its end, and says how it ended. */
async function settled(cli: Cli, begun: RewindView, json: boolean | undefined): Promise<void> {
  const { runId } = begun;
  const view = await rewindEnded(cli.client(), begun);
  if (view.status === 'failed') cli.exitWith(exitCodes.failed);
  if (json) return cli.output.json(view);
  const [first = '', ...kept] = rewindLines(view);
  if (view.status === 'failed') {
    cli.output.remark(`perdure: ${printableLine(view.problem ?? 'It was not done.', 600)}`);
    for (const line of kept) cli.output.remark(`  ${line}`);
    return;
  }
  cli.output.line(`run ${shortId(runId)}: ${first}`);
  for (const line of kept) cli.output.line(`  ${line}`);
  if (view.kind !== 'apply' && (await cli.client().run(runId)).workTree === 'own')
    cli.output.line(`  in its own tree; perdure apply ${shortId(runId)} brings that to the project too`);
}

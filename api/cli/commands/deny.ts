// `perdure deny`: says no to what a run waits for; the run goes on without it.
import { Command } from 'commander';
import { sayDecided } from './approvals.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function denyCommand(cli: Cli): Command {
  return new Command('deny')
    .addHelpText('after', exampleHelp('perdure deny last --note "Not on this branch."'))
    .description('say no to what a run waits for; the run goes on without it')
    .argument('<id>', idHelp('approval'))
    .option('--note <text>', 'why: the agent is told')
    .option('--json')
    .action(async (given: string, { note, json }: { note?: string; json?: boolean }) => {
      const id = await idOf(cli, given, 'approval');
      sayDecided(cli, await cli.client().deny(id, note === undefined ? {} : { note }), json);
    });
}

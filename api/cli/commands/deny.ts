// `perdure deny`: says no to what a run waits for; the run goes on without it.
import { Command } from 'commander';
import { sayDecided } from './approvals.ts';
import type { Cli } from '../surroundings.ts';

export function denyCommand(cli: Cli): Command {
  return new Command('deny')
    .description('say no to what a run waits for; the run goes on without it')
    .argument('<id>', 'the id of the approval; see `perdure approvals`')
    .option('--note <text>', 'why: the agent is told')
    .option('--json')
    .action(async (id: string, { note, json }: { note?: string; json?: boolean }) => {
      sayDecided(cli, await cli.client().deny(id, note === undefined ? {} : { note }), json);
    });
}

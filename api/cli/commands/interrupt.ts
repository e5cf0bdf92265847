// `perdure interrupt`: stops a run and keeps what it did, so that the conversation goes on from there.
import { Command } from 'commander';
import { sayReceipt } from '../terminal/receipt.ts';
import type { Cli } from '../surroundings.ts';

export function interruptCommand(cli: Cli): Command {
  return new Command('interrupt')
    .description('stop a run and keep what it did')
    .argument('<run>', 'the id of the run')
    .option('--json')
    .action(async (runId: string, options: { json?: boolean }) => {
      sayReceipt(cli, await cli.client().interrupt(runId), 'being interrupted', options.json);
    });
}

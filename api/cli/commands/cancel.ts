// `perdure cancel`: stops a run and leaves it out of its conversation, which goes on from before it. Nothing takes back
// what it did to files.
import { Command } from 'commander';
import { sayReceipt } from '../terminal/receipt.ts';
import type { Cli } from '../surroundings.ts';

export function cancelCommand(cli: Cli): Command {
  return new Command('cancel')
    .description('stop a run and leave it out of its conversation; files it changed stay as they are')
    .argument('<run>', 'the id of the run')
    .option('--json')
    .action(async (runId: string, options: { json?: boolean }) => {
      sayReceipt(
        cli,
        await cli.client().cancel(runId),
        'being cancelled; files it changed stay as they are',
        options.json,
      );
    });
}

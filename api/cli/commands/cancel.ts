// `perdure cancel`: stops a run and leaves it out of its conversation, which goes on from before it. Nothing takes back
// what it did to files.
import { Command } from 'commander';
import { sayReceipt } from '../terminal/receipt.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function cancelCommand(cli: Cli): Command {
  return new Command('cancel')
    .addHelpText('after', exampleHelp('perdure cancel 9b1fe2c4'))
    .description('stop a run and leave it out of its conversation; files it changed stay as they are')
    .argument('<run>', idHelp('run'))
    .option('--json')
    .action(async (given: string, options: { json?: boolean }) => {
      sayReceipt(
        cli,
        await cli.client().cancel(await idOf(cli, given, 'run')),
        'being cancelled; files it changed stay as they are',
        options.json,
      );
    });
}

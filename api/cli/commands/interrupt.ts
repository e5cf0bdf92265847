// `perdure interrupt`: stops a run and keeps what it did, so that the conversation goes on from there.
import { Command } from 'commander';
import { sayReceipt } from '../terminal/receipt.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function interruptCommand(cli: Cli): Command {
  return new Command('interrupt')
    .addHelpText('after', exampleHelp('perdure interrupt last'))
    .description('stop a run and keep what it did')
    .argument('<run>', idHelp('run'))
    .option('--json')
    .action(async (given: string, options: { json?: boolean }) => {
      sayReceipt(
        cli,
        await cli.client().interrupt(await idOf(cli, given, 'run')),
        'being interrupted',
        options.json,
      );
    });
}

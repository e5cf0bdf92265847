// `perdure cancel`: stops a run and leaves it out of its conversation, which goes on from before it. With --undo what it
// changed in its project is taken back too.
import { Command } from 'commander';
import { sayReceipt } from '../terminal/receipt.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function cancelCommand(cli: Cli): Command {
  return new Command('cancel')
    .addHelpText('after', exampleHelp('perdure cancel 9b1fe2c4'))
    .description('stop a run and leave it out of its conversation; without --undo files it changed stay')
    .argument('<run>', idHelp('run'))
    .option(
      '--undo',
      'take back what it changed in its project, once it has stopped; what its subagents changed stays',
    )
    .option('--json')
    .action(async (given: string, options: { undo?: boolean; json?: boolean }) => {
      sayReceipt(
        cli,
        await cli.client().cancel(await idOf(cli, given, 'run'), options.undo ? { undo: true } : {}),
        options.undo
          ? 'being cancelled; what it changed in its project is taken back'
          : 'being cancelled; files it changed stay as they are until `perdure undo`',
        options.json,
      );
    });
}

// `perdure interrupt`: stops a run, or all of a conversation that are at work, and keeps what was done, so that the
// conversation goes on from there.
import { Command } from 'commander';
import { sayReceipt } from '../terminal/receipt.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';

const meaning = 'being interrupted';

export function interruptCommand(cli: Cli): Command {
  return new Command('interrupt')
    .addHelpText('after', exampleHelp('perdure interrupt last'))
    .description('stop a run, or with --conversation all of its runs, and keep what was done')
    .argument('[run]', idHelp('run'))
    .option('--conversation <id>', `in its place, ${idHelp('conversation')}; subagents stop too`)
    .option('--json')
    .action(async (given: string | undefined, options: { conversation?: string; json?: boolean }) => {
      const { conversation, json } = options;
      if ((given === undefined) === (conversation === undefined))
        throw new UsageError('Name a run, or a conversation with --conversation: one of the two.');
      if (given !== undefined)
        return sayReceipt(cli, await cli.client().interrupt(await idOf(cli, given, 'run')), meaning, json);
      const told = await cli
        .client()
        .interruptConversation(await idOf(cli, conversation ?? '', 'conversation'));
      if (json) return cli.output.json(told);
      for (const receipt of told.items) sayReceipt(cli, receipt, meaning, false);
    });
}

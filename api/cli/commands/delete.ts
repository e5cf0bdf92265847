// `perdure delete`: takes a finished run, or a conversation with all its runs, away for good.
import { Argument, Command } from 'commander';
import type { DeletedView } from '../../../workflows/contracts/retention.ts';
import { exitCodes } from '../exit-codes.ts';
import { idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';
import { confirmed } from '../terminal/confirm.ts';
import { plural } from '../terminal/figures.ts';
import { printableLine } from '../terminal/printable.ts';

const kinds = ['run', 'conversation'] as const;

interface DeleteOptions {
  yes?: boolean;
  json?: boolean;
}

export function deleteCommand(cli: Cli): Command {
  return new Command('delete')
    .addHelpText('after', exampleHelp('perdure delete run 9b1fe2c4'))
    .description('delete a finished run, or a conversation with its runs, for good')
    .addArgument(new Argument('<what>', 'what the id is of').choices(kinds))
    .argument('<id>', 'its id as printed, the first letters of that, or last')
    .option('--yes', 'do not ask')
    .option('--json')
    .addHelpText('after', '\nNothing that is active goes, and nothing that other runs go on from.')
    .action(async (what: (typeof kinds)[number], given: string, { yes, json }: DeleteOptions) => {
      const client = cli.client();
      const id = await idOf(cli, given, what);
      // Asked about by what it is, so that a wrong id is seen before anything is gone.
      const { called } = await describe(cli, what, id);
      if (!(await confirmed(cli, `Delete ${called} for good?`, yes))) {
        cli.output.remark('Nothing was deleted.');
        return cli.exitWith(exitCodes.failed);
      }
      const deleted = await (what === 'run' ? client.deleteRun(id) : client.deleteConversation(id));
      if (json) return cli.output.json(deleted);
      cli.output.line(toLine(deleted));
      for (const each of deleted.remains) cli.output.remark(`  remains ${printableLine(each, 200)}`);
    });
}

async function describe(cli: Cli, what: (typeof kinds)[number], id: string): Promise<{ called: string }> {
  if (what === 'run') {
    const { prompt, status } = await cli.client().run(id);
    return { called: `the ${status.replace('_', ' ')} run "${printableLine(prompt, 50)}"` };
  }
  const { title, runs } = await cli.client().conversation(id);
  return { called: `the conversation "${printableLine(title, 50)}" with ${plural(runs.length, 'run')}` };
}

function toLine({ runs, events, messages, calls, conversationId }: DeletedView): string {
  const gone = [
    plural(runs, 'run'),
    plural(events, 'event'),
    plural(messages, 'message'),
    plural(calls, 'call'),
  ];
  return `deleted ${gone.join(', ')}${conversationId === null ? '' : ' and the conversation'}`;
}

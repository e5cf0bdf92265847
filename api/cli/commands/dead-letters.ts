// `perdure dead-letters`: what used up its attempts and waits for a person, to be tried again or dropped.
import { Command } from 'commander';
import type { DeadLetterView } from '../../../workflows/contracts/system.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function deadLettersCommand(cli: Cli): Command {
  const command = new Command('dead-letters')
    .addHelpText('after', exampleHelp('perdure dead-letters'))
    .description('list what used up its attempts; retry or drop it')
    .option('--json')
    .action(async (options: { json?: boolean }) => {
      const list = await cli.client().deadLetters({ limit: 200 });
      if (options.json) return cli.output.json(list);
      if (list.items.length === 0) return cli.output.line('There are no dead letters.');
      cli.output.line(deadLetterTable(cli, list.items));
      if (list.nextCursor !== null) cli.output.remark('There are more; these are the latest 200.');
    });
  command.addCommand(
    resolution('retry', 'try it again; what a failed run was asked is asked in a new run', (id) =>
      cli.client().retryDeadLetter(id),
    ),
  );
  command.addCommand(resolution('drop', 'give it up for good', (id) => cli.client().dropDeadLetter(id)));
  return command;

  function resolution(name: string, what: string, resolve: (id: string) => Promise<DeadLetterView>): Command {
    return new Command(name)
      .addHelpText('after', exampleHelp(`perdure dead-letters ${name} last`))
      .description(what)
      .argument('<id>', idHelp('dead-letter'))
      .action(async (given: string) => {
        const { json } = command.opts<{ json?: boolean }>();
        const letter = await resolve(await idOf(cli, given, 'dead-letter'));
        if (json) cli.output.json(letter);
        else cli.output.line(`${letter.id} ${letter.resolution}${again(letter)}`);
      });
  }
}

function again({ retriedAs, kind }: DeadLetterView): string {
  return retriedAs === null ? '' : ` as ${kind === 'task' ? 'task' : 'run'} ${retriedAs}`;
}

function ofWhat({ runId, taskId, callId, deliveryId }: DeadLetterView): string {
  const of = shortId(runId ?? taskId ?? deliveryId ?? '');
  return callId === null ? of : `${of} ${callId}`;
}

export function deadLetterTable(cli: Cli, letters: DeadLetterView[]): string {
  const rows = letters.map((letter) => [
    shortId(letter.id),
    letter.kind,
    ofWhat(letter),
    letter.attempts,
    letter.resolution ?? 'open',
    letter.reason,
  ]);
  return tableOf(cli.output, ['ID', 'KIND', 'OF', 'ATTEMPTS', 'STATE', 'REASON'], rows);
}

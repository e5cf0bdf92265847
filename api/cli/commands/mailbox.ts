// `perdure mailbox` and `perdure fire`: what subagents have reported, and going on with it.
import { Command } from 'commander';
import { idHelp, idOf } from '../known-by.ts';
import { readPages } from '../pages.ts';
import { positiveInteger } from '../parse.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toAge } from '../terminal/figures.ts';
import { type FollowOptions, followStarted } from '../follow-started.ts';
import { shortId } from '../terminal/short-id.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import type { Cli } from '../surroundings.ts';

export function mailboxCommand(cli: Cli): Command {
  return new Command('mailbox')
    .addHelpText('after', exampleHelp('perdure mailbox last'))
    .description('list what subagents have reported that no call waited for')
    .argument('<conversation>', idHelp('conversation'))
    .option('--pending', 'only what `perdure fire` would go on with')
    .option('--limit <n>', 'so many at most', positiveInteger, 50)
    .option('--json')
    .action(async (given: string, { limit, pending, json }: MailboxOptions) => {
      const id = await idOf(cli, given, 'conversation');
      const filter = pending === undefined ? {} : { pending };
      const mailbox = await readPages(limit, (page) => cli.client().mailbox(id, { ...page, ...filter }));
      if (json) return cli.output.json(mailbox);
      if (mailbox.items.length === 0) return cli.output.line('It is empty.');
      const rows = mailbox.items.map(({ runId, name, callId, status, state, late, reportedAt, text }) => [
        shortId(runId),
        name,
        callId,
        status,
        late && state !== 'late' ? `${state}, late` : state,
        reportedAt && toAge(reportedAt),
        firstWords(text ?? '', cli.output.isTerminal ? 50 : 200),
      ]);
      cli.output.line(tableOf(cli.output, ['RUN', 'NAME', 'CALL', 'STATUS', 'REPORT', 'WHEN', 'SAID'], rows));
      if (mailbox.nextCursor !== null)
        cli.output.remark(`There are more; these are the first ${limit}: see --limit.`);
    });
}

interface MailboxOptions {
  pending?: boolean;
  limit: number;
  json?: boolean;
}

export function fireCommand(cli: Cli): Command {
  return new Command('fire')
    .addHelpText('after', exampleHelp('perdure fire last "Fix what they found."'))
    .description('go on with what subagents have reported, and show the run until it ends')
    .argument('<conversation>', idHelp('conversation'))
    .argument('[prompt]', 'what to say beside the reports')
    .option('--detach', 'return as soon as it is accepted')
    .option('--json', 'one event a line as JSON')
    .addHelpText('after', '\nCtrl-C leaves the run running.')
    .action(async (given: string, prompt: string | undefined, options: FollowOptions) => {
      const id = await idOf(cli, given, 'conversation');
      const { id: runId } = await cli.client().fire(id, prompt === undefined ? {} : { prompt });
      cli.exitWith(await followStarted(cli, runId, options));
    });
}

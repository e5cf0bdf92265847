// `perdure watch`: shows the events of a run, from the first one or from a number on, until it ends.
import { Command } from 'commander';
import { followRun } from './follow-run.ts';
import { eventNumber } from './parse.ts';
import type { Cli } from './surroundings.ts';

export function watchCommand(cli: Cli): Command {
  return new Command('watch')
    .description('show the events of a run until it ends')
    .argument('<run>', 'the id of the run')
    .option('--after <n>', 'only events after this number', eventNumber)
    .option('--json', 'one event a line as JSON')
    .addHelpText('after', '\nCtrl-C leaves the run running.')
    .action(async (runId: string, options: { after?: number; json?: boolean }) => {
      const client = cli.client();
      // Asked first, so that a wrong id or an absent server is said at once instead of after a minute.
      const run = await client.run(runId);
      const leaving = new AbortController();
      const stopListening = cli.onInterrupt(() => leaving.abort());
      try {
        const startedAt = run.startedAt ?? undefined;
        cli.exitWith(await followRun(cli, client, runId, { ...options, startedAt, signal: leaving.signal }));
      } finally {
        stopListening();
      }
    });
}

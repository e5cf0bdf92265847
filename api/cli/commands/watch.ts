// `perdure watch`: shows the events of a run, from the first one or from a number on, until it ends.
import { Command } from 'commander';
import { type Attendant, createAttendant } from '../terminal/attendant.ts';
import { followRun } from '../terminal/follow-run.ts';
import { eventNumber } from '../parse.ts';
import { createRenderer } from '../terminal/renderer.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function watchCommand(cli: Cli): Command {
  return new Command('watch')
    .addHelpText('after', exampleHelp('perdure watch last'))
    .description('show the events of a run until it ends')
    .argument('<run>', idHelp('run'))
    .option('--after <n>', 'only events after this number', eventNumber)
    .option('--no-tokens', 'whole messages in place of the pieces that they come in')
    .option('--json', 'one event a line as JSON; what comes home at the end as {rewind} behind them')
    .addHelpText(
      'after',
      '\nIn a terminal, what an attended run waits for is asked here. Ctrl-C leaves the run running.',
    )
    .action(async (runId: string, options: WatchOptions) => {
      cli.exitWith(await watch(cli, runId, options));
    });
}

interface WatchOptions {
  after?: number;
  tokens?: boolean;
  json?: boolean;
}

async function watch(cli: Cli, given: string, options: WatchOptions): Promise<number> {
  const client = cli.client();
  // Asked first, so that a wrong id or an absent server is said at once instead of after a minute.
  const runId = await idOf(cli, given, 'run');
  const run = await client.run(runId);
  const leaving = new AbortController();
  let attendant: Attendant | undefined;
  const onCtrlC = (): void => {
    attendant?.dismiss();
    leaving.abort();
  };
  const stopListening = cli.onInterrupt(onCtrlC);
  const { output, terminal } = cli;
  const renderer = createRenderer(output, run.startedAt ?? undefined);
  if (terminal && run.attended && !options.json) {
    attendant = createAttendant({ output, terminal, client, renderer, onCtrlC });
  }
  try {
    const how = { ...options, signal: leaving.signal, renderer: attendant ?? renderer };
    return await followRun(cli, client, runId, how);
  } finally {
    await attendant?.close();
    stopListening();
  }
}

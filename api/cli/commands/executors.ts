// `perdure executors`: who takes tasks, and how busy each is.
import { Command } from 'commander';
import type { ExecutorView } from '../../../workflows/contracts/executor.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toSpan } from '../terminal/figures.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';

export function executorsCommand(cli: Cli): Command {
  return new Command('executors')
    .addHelpText('after', exampleHelp('perdure executors'))
    .description('list who takes tasks: our workers, and agents that registered')
    .option('--json')
    .action(async ({ json }: { json?: boolean }) => {
      const list = await cli.client().executors({ limit: 200 });
      if (json) return cli.output.json(list);
      if (list.items.length === 0) return cli.output.line('There are none: no worker runs.');
      cli.output.line(executorTable(cli, list.items));
      if (list.nextCursor !== null) cli.output.remark('There are more; these are the first 200.');
    });
}

export function executorTable(cli: Cli, executors: ExecutorView[]): string {
  const rows = executors.map(({ id, name, kind, state, load, places, capabilities, heartbeatAt }) => [
    shortId(id),
    name || '-',
    kind,
    state,
    `${load}/${places}`,
    capabilities.join(', '),
    toSpan(heartbeatAt),
  ]);
  return tableOf(
    cli.output,
    ['EXECUTOR', 'NAME', 'KIND', 'STATE', 'LOAD', 'CAPABILITIES', 'LAST BEAT'],
    rows,
  );
}

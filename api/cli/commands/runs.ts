// `perdure runs`: which runs there are, newest first.
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import type { RunStatus, RunView } from '../../../workflows/contracts/run.ts';
import { idOf } from '../known-by.ts';
import { readPages } from '../pages.ts';
import { positiveInteger } from '../parse.ts';
import { folderOfRuns } from '../project-choice.ts';
import { toSpan } from '../terminal/figures.ts';
import type { Output } from '../terminal/output.ts';
import { shortId } from '../terminal/short-id.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

// A status of the API that is missing here does not compile.
const statuses: Record<RunStatus, true> = {
  queued: true,
  running: true,
  waiting_workers: true,
  awaiting_input: true,
  gating: true,
  succeeded: true,
  failed: true,
  timed_out: true,
  interrupted: true,
  cancelled: true,
};

interface RunsOptions {
  status?: RunStatus;
  active?: boolean;
  conversation?: string;
  project?: string;
  limit: number;
  json?: boolean;
}

export function runsCommand(cli: Cli): Command {
  return new Command('runs')
    .addHelpText('after', exampleHelp('perdure runs --active --project .'))
    .description('list the runs, newest first')
    .addOption(new Option('--status <status>', 'only those of this status').choices(Object.keys(statuses)))
    .option('--active', 'only those that have not ended')
    .option('--conversation <id>', 'only those of this conversation')
    .option('--project <dir>', 'only those that work in this directory')
    .option('--limit <n>', 'so many at most', positiveInteger, 20)
    .option('--json')
    .action(async ({ status, active, conversation, project, limit, json }: RunsOptions) => {
      const conversationId = conversation && (await idOf(cli, conversation, 'conversation'));
      const filters = {
        ...(status && { status }),
        ...(active && { active }),
        ...(conversationId !== undefined && { conversationId }),
        ...(project !== undefined && { project: folderOfRuns(cli, project) }),
      };
      const list = await readPages(limit, (page) => cli.client().runs({ ...page, ...filters }));
      if (json) return cli.output.json(list);
      if (list.items.length === 0) return cli.output.line('There are none.');
      cli.output.line(runTable(cli.output, list.items));
      if (list.nextCursor !== null)
        cli.output.remark(`There are more; these are the newest ${limit}: see --limit.`);
    });
}

export function runTable(output: Output, runs: RunView[]): string {
  const rows = runs.map((run) => [
    shortId(run.id),
    toSpan(run.createdAt),
    toState(run),
    run.model,
    // On a screen the last part says enough; a script gets the whole.
    run.project && (output.isTerminal ? basename(run.project.path) || run.project.path : run.project.path),
    firstWords(run.prompt, output.isTerminal ? 60 : 200),
  ]);
  return tableOf(output, ['RUN', 'AGE', 'STATUS', 'MODEL', 'PROJECT', 'PROMPT'], rows);
}

/** Its status in words; a parked or stuck one is told apart. */
export function toState({ status, parked, stuck }: RunView): string {
  if (stuck !== null) return 'stuck';
  return parked ? 'parked' : status.replaceAll('_', ' ');
}

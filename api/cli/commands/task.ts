// `perdure task`: units of work that are handed to executors, and what became of each.
import { Command, Option } from 'commander';
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Priority } from '../../../workflows/contracts/run.ts';
import type { TaskBody, TaskStatus, TaskView } from '../../../workflows/contracts/task.ts';
import { exitCodes } from '../exit-codes.ts';
import { idHelp, idOf } from '../known-by.ts';
import { readPages } from '../pages.ts';
import { positiveInteger } from '../parse.ts';
import { chooseProject, folderOfRuns } from '../project-choice.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toSpan } from '../terminal/figures.ts';
import { printableLine } from '../terminal/printable.ts';
import { createRenderer } from '../terminal/renderer.ts';
import { shortId } from '../terminal/short-id.ts';
import { firstWords, tableOf } from '../terminal/table.ts';

// What the API has and is missing here does not compile.
const statuses: Record<TaskStatus, true> = {
  blocked: true,
  pending: true,
  in_progress: true,
  completed: true,
  failed: true,
  cancelled: true,
  skipped: true,
};
const priorities: Record<Priority, true> = { critical: true, high: true, normal: true, low: true };

interface Common {
  json?: boolean;
}

export function taskCommand(cli: Cli): Command {
  const command = new Command('task')
    .addHelpText('after', exampleHelp('perdure task'))
    .description('work that is handed out when an executor is free; list, add, look at and cancel it');
  command.addCommand(listCommand(cli), { isDefault: true });
  command.addCommand(addCommand(cli));
  command.addCommand(
    subcommand('show', 'one task, with everybody who had it', 'show last')
      .argument('<task>', idHelp('task'))
      .action((given: string, options: Common) => show(cli, given, options)),
  );
  command.addCommand(
    subcommand('logs', 'what becomes of a task, until it has ended', 'logs last')
      .argument('<task>', idHelp('task'))
      .action((given: string, options: Common) => logs(cli, given, options)),
  );
  return command.addCommand(
    subcommand('cancel', 'cancel it and its run; what depends on it is skipped', 'cancel last')
      .argument('<task>', idHelp('task'))
      .action(async (given: string, { json }: Common) => {
        const task = await cli.client().cancelTask(await idOf(cli, given, 'task'));
        if (json) cli.output.json(task);
        else cli.output.line(`${shortId(task.id)} is cancelled`);
      }),
  );
}

function subcommand(name: string, what: string, example: string): Command {
  return new Command(name)
    .addHelpText('after', exampleHelp(`perdure task ${example}`))
    .description(what)
    .option('--json');
}

interface ListOptions extends Common {
  status?: TaskStatus;
  priority?: Priority;
  label?: string;
  project?: string;
  limit: number;
}

function listCommand(cli: Cli): Command {
  return subcommand('list', 'list the tasks, newest first', 'list --status pending')
    .addOption(new Option('--status <status>', 'only those of this status').choices(Object.keys(statuses)))
    .addOption(new Option('--priority <priority>', 'only those of it').choices(Object.keys(priorities)))
    .option('--label <label>', 'only those with it')
    .option('--project <dir>', 'only those whose runs work in this directory')
    .option('--limit <n>', 'so many at most', positiveInteger, 20)
    .action(async ({ status, priority, label, project, limit, json }: ListOptions) => {
      const filters = {
        ...(status && { status }),
        ...(priority && { priority }),
        ...(label !== undefined && { label }),
        ...(project !== undefined && { project: folderOfRuns(cli, project) }),
      };
      const list = await readPages(limit, (page) => cli.client().tasks({ ...page, ...filters }));
      const { output } = cli;
      if (json) return output.json(list);
      if (list.items.length === 0) return output.line('There are none; `perdure task add` makes one.');
      output.line(
        tableOf(output, ['TASK', 'AGE', 'STATUS', 'PRIORITY', 'TITLE', 'REASON'], list.items.map(toRow)),
      );
      if (list.nextCursor !== null)
        output.remark(`There are more; these are the newest ${limit}: see --limit.`);
    });
}

function toRow(task: TaskView): string[] {
  const { id, createdAt, priority, title, reason } = task;
  return [shortId(id), toSpan(createdAt), toState(task), priority, firstWords(title, 60), reason ?? ''];
}

function toState({ status, progress }: TaskView): string {
  const far = status === 'in_progress' && progress > 0 ? ` ${progress} %` : '';
  return `${status.replaceAll('_', ' ')}${far}`;
}

interface AddOptions extends Common {
  priority?: Priority;
  label: string[];
  dependsOn: string[];
  file: string[];
  acceptance: string[];
  retries?: number;
  project?: string;
  workspace?: string;
  model?: string;
  policy?: string;
  preset?: string;
}

function several(given: string, before: string[]): string[] {
  return [...before, given];
}

function addCommand(cli: Cli): Command {
  return subcommand('add', 'make a task', 'add "Mend the rounding" "Round once." --priority high')
    .argument('<title>', 'what it is called')
    .argument('<prompt>', 'what is to be done')
    .addOption(
      new Option('--priority <priority>', 'whose turn comes first (default: normal)').choices(
        Object.keys(priorities),
      ),
    )
    .option('--label <label>', 'only an executor that offers it gets it; may be repeated', several, [])
    .option('--depends-on <task>', 'a task that must be completed before; may be repeated', several, [])
    .option('--file <path>', 'a file that it is about; may be repeated', several, [])
    .option('--acceptance <sentence>', 'when it is done; may be repeated', several, [])
    .option('--retries <n>', 'attempts until it has failed for good (default: 3)', positiveInteger)
    .option('--project <dir>', 'the directory its runs work in; "none" for a scratch folder')
    .addOption(
      new Option('--workspace <id>', 'in its place a workspace; see `perdure workspaces`').conflicts(
        'project',
      ),
    )
    .option('--model <provider/model>', 'the model that answers; see `perdure models`')
    .option('--policy <name>', 'what its runs may do; see `perdure policies`')
    .option('--preset <name>', 'what its runs go by; see `perdure presets`')
    .action(async (title: string, prompt: string, options: AddOptions) => {
      const made = await cli.client().createTask(await toBody(cli, title, prompt, options));
      if (options.json) return cli.output.json(made);
      const why = made.reason === null ? '' : `: ${printableLine(made.reason, 300)}`;
      cli.output.line(`task ${shortId(made.id)} is ${made.status}${why}`);
    });
}

async function toBody(cli: Cli, title: string, prompt: string, options: AddOptions): Promise<TaskBody> {
  const { priority, retries, workspace, model, policy, preset, label, file, acceptance } = options;
  const project = chooseProject(cli, options);
  const dependsOn: string[] = [];
  for (const each of options.dependsOn) dependsOn.push(await idOf(cli, each, 'task'));
  return {
    title,
    prompt,
    ...(priority && { priority }),
    ...(retries !== undefined && { retries }),
    ...{ labels: label, files: file, acceptance, dependsOn },
    run: {
      ...(project !== undefined && { project }),
      ...(workspace !== undefined && { workspace }),
      ...(model !== undefined && { model }),
      ...(policy !== undefined && { policy }),
      ...(preset !== undefined && { preset }),
    },
  };
}

async function show(cli: Cli, given: string, { json }: Common): Promise<void> {
  const { output } = cli;
  const task = await cli.client().task(await idOf(cli, given, 'task'));
  if (json) return output.json(task);
  output.line(`task ${task.id} · ${toState(task)} · ${task.priority}`);
  output.line(printableLine(task.title, 300));
  const said: [string, string | null][] = [
    ['waits, or ended', task.reason],
    ['note', task.note],
    ['labels', task.labels.join(', ') || null],
    ['depends on', task.dependsOn.map(shortId).join(', ') || null],
    ['attempts failed', task.attempts === 0 ? null : `${task.attempts} of ${task.retries}`],
  ];
  for (const [name, text] of said) if (text !== null) output.line(`${name}: ${printableLine(text, 1000)}`);
  if (task.claims.length === 0) return;
  const rows = task.claims.map(({ claim, executor, runId, claimedAt, outcome, reason, late }) => [
    claim,
    executor,
    runId === null ? '-' : shortId(runId),
    claimedAt,
    outcome ?? 'at work',
    late === null ? (reason ?? '') : `${reason ?? ''} (refused: ${late})`,
  ]);
  output.line(tableOf(output, ['CLAIM', 'EXECUTOR', 'RUN', 'SINCE', 'OUTCOME', 'REASON'], rows));
}

async function logs(cli: Cli, given: string, { json }: Common): Promise<void> {
  const client = cli.client();
  const taskId = await idOf(cli, given, 'task');
  // Asked first, so that a wrong id is said at once.
  await client.task(taskId);
  const leaving = new AbortController();
  const stopListening = cli.onInterrupt(() => leaving.abort());
  const renderer = createRenderer(cli.output);
  const draw = (event: Event): void => (json ? cli.output.json(event) : renderer.render(event));
  try {
    for await (const event of client.watchTask(taskId, { signal: leaving.signal })) {
      draw(event);
      if (event.type === 'task-end' && event.payload.status !== 'completed') cli.exitWith(exitCodes.failed);
      await cli.output.room();
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
    cli.exitWith(exitCodes.left);
  } finally {
    stopListening();
  }
}

// `perdure schedule`: runs that are started again and again, and what became of each due time.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type {
  Overlap,
  ScheduleView,
  TriggerScheduleView,
  UpkeepJob,
} from '../../../workflows/contracts/schedule.ts';
import { dollars, positiveInteger } from '../parse.ts';
import { chooseProject } from '../project-choice.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toDollars } from '../terminal/figures.ts';
import { printableLine } from '../terminal/printable.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';

const overlaps: readonly Overlap[] = ['skip', 'queue-one', 'cancel-old', 'allow'];
const jobs: readonly UpkeepJob[] = ['prune', 'backup', 'backup-check'];

interface Common {
  json?: boolean;
}

export function scheduleCommand(cli: Cli): Command {
  const command = new Command('schedule')
    .addHelpText('after', exampleHelp('perdure schedule'))
    .description('runs that are started again and again; list, add, look at and start them');
  command.addCommand(
    subcommand('list', 'list the schedules, with when each is due next', 'list').action((options: Common) =>
      list(cli, options),
    ),
    { isDefault: true },
  );
  command.addCommand(addCommand(cli)).addCommand(nextCommand(cli)).addCommand(runCommand(cli));
  command.addCommand(
    subcommand('history', 'what became of its due times, latest first', 'history nightly-tests')
      .argument('<name>', nameHelp)
      .action((name: string, options: Common) => history(cli, name, options)),
  );
  command.addCommand(syncCommand(cli));
  for (const enabled of [true, false]) command.addCommand(switchCommand(cli, enabled));
  return command.addCommand(
    subcommand(
      'delete',
      'take it away; what it has started goes on, and its history stays',
      'delete nightly-tests',
    )
      .argument('<name>', nameHelp)
      .action(async (name: string, { json }: Common) => {
        const schedule = await scheduleOf(cli, name);
        await cli.client().deleteSchedule(schedule.id);
        if (json) cli.output.json(schedule);
        else cli.output.line(`${schedule.name} is deleted`);
      }),
  );
}

const nameHelp = 'the schedule; see `perdure schedule list`';

function subcommand(name: string, what: string, example: string): Command {
  return new Command(name)
    .addHelpText('after', exampleHelp(`perdure schedule ${example}`))
    .description(what)
    .option('--json');
}

/** By its name, or by its whole id. */
async function scheduleOf(cli: Cli, named: string): Promise<ScheduleView> {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(named)) return cli.client().schedule(named);
  const isName = /^[a-z][a-z0-9-]*$/.test(named);
  const [found] = isName ? (await cli.client().schedules({ name: named })).items : [];
  if (found) return found;
  throw new UsageError(`There is no schedule called ${named}; \`perdure schedule list\` lists them.`);
}

async function list(cli: Cli, { json }: Common): Promise<void> {
  const { output } = cli;
  const page = await cli.client().schedules({ limit: 200 });
  if (json) return output.json(page);
  if (page.items.length === 0)
    return output.line('There are no schedules; `perdure schedule add` makes one.');
  const rows = page.items.map(({ name, when, nextDueAt, overlap, fromManifest, createdBy }) => [
    name,
    when,
    nextDueAt ?? 'off',
    overlap,
    fromManifest ? 'manifest' : printableLine(createdBy, 60),
  ]);
  output.line(tableOf(output, ['NAME', 'WHEN', 'NEXT (UTC)', 'OVERLAP', 'FROM'], rows));
  if (page.nextCursor !== null) output.remark('There are more; these are the first 200.');
}

interface TimeOptions extends Common {
  cron?: string;
  every?: number;
  timeZone?: string;
}

function timed(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--cron <fields>',
        'minute, hour, day of month, month, day of week: "30 2 * * 1-5"',
      ).conflicts('every'),
    )
    .option('--every <seconds>', 'in place of --cron: an interval of at least 5 seconds', positiveInteger)
    .option('--time-zone <name>', 'in which --cron is read, such as Europe/Berlin (default: UTC)');
}

function timingOf({ cron, every, timeZone }: TimeOptions) {
  return {
    ...(cron !== undefined && { cron }),
    ...(every !== undefined && { everySeconds: every }),
    ...(timeZone !== undefined && { timeZone }),
  };
}

interface AddOptions extends TimeOptions {
  job?: UpkeepJob;
  overlap?: Overlap;
  jitter?: number;
  catchUp?: string;
  attempts?: number;
  project?: string;
  workspace?: string;
  model?: string;
  policy?: string;
  limitSeconds?: number;
  limitCost?: number;
  disabled?: boolean;
}

function addCommand(cli: Cli): Command {
  const example = 'add nightly-tests "Run the tests and mend what fails." --cron "30 2 * * 1-5"';
  return timed(subcommand('add', 'make a schedule', example))
    .argument('<name>', 'what it is called: small letters, digits and hyphens')
    .argument('[prompt]', 'what each run is to do')
    .addOption(new Option('--job <what>', 'in place of a prompt: upkeep of the server').choices(jobs))
    .addOption(
      new Option('--overlap <what>', 'while an earlier run is at work (default: skip)').choices(overlaps),
    )
    .option('--jitter <seconds>', 'begin up to so much later, at random', positiveInteger)
    .option('--catch-up <seconds>', 'how old a due time may be that is made up for after an outage; 0: never')
    .option('--attempts <n>', 'how often a run that fails is tried', positiveInteger)
    .option('--project <dir>', 'the directory each run works in; "none" for a scratch folder')
    .addOption(
      new Option('--workspace <id>', 'in its place a workspace; see `perdure workspaces`').conflicts(
        'project',
      ),
    )
    .option('--model <provider/model>', 'the model that answers; see `perdure models`')
    .option('--policy <name>', 'what each run may do; see `perdure policies`')
    .option('--limit-seconds <n>', 'wall time each run may take', positiveInteger)
    .option('--limit-cost <dollars>', 'money each run may spend', dollars)
    .option('--disabled', 'keep it, and switch it on later')
    .action(async (name: string, prompt: string | undefined, options: AddOptions) => {
      const made = await cli.client().createSchedule(toBody(cli, name, prompt, options));
      if (options.json) return cli.output.json(made);
      cli.output.line(`${made.name}: ${made.when}; ${nextOf(made)}`);
    });
}

function toBody(cli: Cli, name: string, prompt: string | undefined, options: AddOptions) {
  const { job } = options;
  if ((prompt === undefined) === (job === undefined))
    throw new UsageError('Say either a prompt, in quotes, or --job, and not both.');
  if (options.cron === undefined && options.every === undefined)
    throw new UsageError('Say when it is due: --cron "30 2 * * *" (daily at 02:30) or --every SECONDS.');
  const { overlap, jitter, catchUp, attempts, workspace, model, policy, limitSeconds, limitCost, disabled } =
    options;
  if (catchUp !== undefined && !/^\d{1,5}$/.test(catchUp))
    throw new UsageError('--catch-up must be a number of seconds, 0 for never.');
  const project = chooseProject(cli, options);
  const limits = {
    ...(limitSeconds !== undefined && { seconds: limitSeconds }),
    ...(limitCost !== undefined && { costMicros: limitCost }),
  };
  return {
    name,
    ...timingOf(options),
    ...(overlap && { overlap }),
    ...(jitter !== undefined && { jitterSeconds: jitter }),
    ...(catchUp !== undefined && { catchUpSeconds: Number(catchUp) }),
    ...(attempts !== undefined && { attempts }),
    ...(disabled && { enabled: false }),
    ...(job !== undefined && { job }),
    ...(prompt !== undefined && {
      run: {
        prompt,
        ...(project !== undefined && { project }),
        ...(workspace !== undefined && { workspace }),
        ...(model !== undefined && { model }),
        ...(policy !== undefined && { policy }),
        ...(Object.keys(limits).length > 0 && { limits }),
      },
    }),
  };
}

function nextOf({ nextDueAt }: ScheduleView): string {
  return nextDueAt === null ? 'it is off' : `next at ${nextDueAt}`;
}

function nextCommand(cli: Cli): Command {
  return timed(
    subcommand(
      'next',
      'the next ten due times of a schedule, or of --cron or --every',
      'next --cron "0 9 * * 1"',
    ),
  )
    .argument('[name]', nameHelp)
    .action(async (name: string | undefined, options: TimeOptions) => {
      const { output } = cli;
      const schedule = name === undefined ? undefined : await scheduleOf(cli, name);
      const said = timingOf(options);
      const isSaid = 'cron' in said || 'everySeconds' in said;
      if (!schedule && !isSaid) throw new UsageError('Name a schedule, or say --cron or --every.');
      const kept = schedule && {
        cron: schedule.cron,
        everySeconds: schedule.everySeconds,
        timeZone: schedule.timeZone,
      };
      const preview = await cli.client().previewSchedule({
        ...(isSaid ? said : { ...kept, ...said }),
        ...(schedule && { scheduleId: schedule.id }),
      });
      if (options.json) return output.json(preview);
      output.line(preview.when);
      output.line(
        tableOf(
          output,
          ['DUE (UTC)', 'LOCAL'],
          preview.next.map(({ dueAt, local }) => [dueAt, local]),
        ),
      );
      const { forecast } = preview;
      if (forecast === null) return;
      const { runs, costMicros, costMicrosPer30Days } = forecast;
      output.line(
        `${toDollars(costMicros)} a run on average (of ${runs}), so about ${toDollars(costMicrosPer30Days)} in 30 days`,
      );
    });
}

function runCommand(cli: Cli): Command {
  return subcommand('run', 'start its run now, beside its due times', 'run nightly-tests --dry-run')
    .argument('<name>', nameHelp)
    .option('--dry-run', 'only say what would start')
    .action(async (name: string, { json, dryRun = false }: Common & { dryRun?: boolean }) => {
      const schedule = await scheduleOf(cli, name);
      const begun = await cli.client().triggerSchedule(schedule.id, dryRun);
      if (json) return cli.output.json(begun);
      const what = `${schedule.name}${withWhat(begun)}`;
      if (begun.reason === null) cli.output.line(dryRun ? `Would start ${what}` : `Started ${what}`);
      else cli.output.line(`${schedule.name} is ${begun.outcome}: ${begun.reason}`);
      if (begun.overlapping)
        cli.output.remark(
          `An earlier run is at work: overlap is ${schedule.overlap}; see perdure schedule history.`,
        );
    });
}

function withWhat({ model, policy, project }: TriggerScheduleView): string {
  if (model === null || policy === null) return '';
  const where = project === null ? 'a scratch folder' : printableLine(project.path, 200);
  return ` with ${printableLine(model, 200)} and ${printableLine(policy, 100)} in ${where}`;
}

async function history(cli: Cli, name: string, { json }: Common): Promise<void> {
  const { output } = cli;
  const schedule = await scheduleOf(cli, name);
  const page = await cli.client().occurrences(schedule.id, { limit: 50 });
  if (json) return output.json(page);
  const rows = page.items.map(({ dueAt, byHand, outcome, attempts, runId, reason }) => [
    dueAt,
    byHand ? `${outcome}, by hand` : outcome,
    attempts,
    runId === null ? '-' : shortId(runId),
    reason ?? '',
  ]);
  output.line(tableOf(output, ['DUE (UTC)', 'OUTCOME', 'ATTEMPTS', 'RUN', 'REASON'], rows));
  if (page.nextCursor !== null) output.remark('There are more; these are the latest 50.');
}

function syncCommand(cli: Cli): Command {
  return subcommand('sync', 'make schedules what a manifest says, all or nothing', 'sync schedules.yaml')
    .argument('[file]', 'the manifest; without it the server reads its own (PERDURE_SCHEDULES_FILE) again')
    .action(async (file: string | undefined, { json }: Common) => {
      const { output } = cli;
      const synced = await cli.client().syncSchedules(file === undefined ? undefined : contentOf(cli, file));
      if (json) return output.json(synced);
      for (const what of ['added', 'changed', 'removed'] as const)
        for (const each of synced[what]) output.line(`${what} ${printableLine(each, 100)}`);
      output.line(`${synced.unchanged} unchanged`);
    });
}

function contentOf(cli: Cli, file: string): string {
  try {
    return readFileSync(resolve(cli.folder, file), 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`);
  }
}

function switchCommand(cli: Cli, enabled: boolean): Command {
  const name = enabled ? 'enable' : 'disable';
  const what = enabled ? 'switch it on: due from now on' : 'switch it off; what it has started goes on';
  return subcommand(name, what, `${name} nightly-tests`)
    .argument('<name>', nameHelp)
    .action(async (named: string, { json }: Common) => {
      const switched = await cli.client().switchSchedule((await scheduleOf(cli, named)).id, enabled);
      if (json) cli.output.json(switched);
      else
        cli.output.line(`${switched.name} is ${enabled ? 'on, ' : 'off'}${enabled ? nextOf(switched) : ''}`);
    });
}

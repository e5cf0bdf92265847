// `perdure status`: the processes, the runs in progress, and what waits for a person.
import { Command } from 'commander';
import type { AllowanceView } from '../../../workflows/contracts/allowance.ts';
import type { ApprovalView } from '../../../workflows/contracts/approval.ts';
import type { ExecutorView } from '../../../workflows/contracts/executor.ts';
import type { RunView } from '../../../workflows/contracts/run.ts';
import type { TaskCountsView } from '../../../workflows/contracts/task.ts';
import type {
  BackupListView,
  DeadLetterView,
  DiskView,
  ProcessView,
  SandboxView,
} from '../../../workflows/contracts/system.ts';
import { type Client, Unreachable } from '../../client/client.ts';
import { seenNow } from '../../../activities/host/published-processes.ts';
import { approvalTable } from './approvals.ts';
import { executorTable } from './executors.ts';
import { deadLetterTable } from './dead-letters.ts';
import { exitCodes } from '../exit-codes.ts';
import { wrapText } from '../terminal/cells.ts';
import { plural, toDollars, toDuration, toSpan } from '../terminal/figures.ts';
import { shortId } from '../terminal/short-id.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import { printableLine } from '../terminal/printable.ts';
import { toRunMoney } from '../terminal/run-money.ts';
import { readProcesses } from '../server.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

interface Status {
  embedded: boolean;
  processes: ProcessView[];
  temporalUi: string | null;
  /** Null when the API gave no answer: unknown, not empty. */
  work: Work | null;
  /** Null when it could not be asked, or the system does not tell. */
  disk: { room: DiskView; problem: string | null } | null;
}

/** Of a kind of sandbox: how many runs in progress have theirs of it, those that wait for their turn left out. */
type SandboxAtWork = SandboxView & { runs: number };

interface Work {
  sandboxes: SandboxAtWork[];
  runs: RunView[];
  approvals: ApprovalView[];
  deadLetters: DeadLetterView[];
  executors: ExecutorView[];
  tasks: TaskCountsView;
  /** What is left of the limits of tenant and executors. */
  allowances: AllowanceView[];
  backups: BackupListView;
}

function supervisionProblem(processes: readonly ProcessView[]): string | undefined {
  if (processes.every(({ health }) => health === 'down' || health === 'external'))
    return 'Nothing of it runs: start it the way you did, and what was accepted goes on.';
  if (processes.find(({ name }) => name === 'supervisor')?.health !== 'down') return undefined;
  return 'The supervisor is gone, so nothing that dies is started again: start it the way you did, and it takes over what runs.';
}

export function statusCommand(cli: Cli): Command {
  return new Command('status')
    .addHelpText('after', exampleHelp('perdure status'))
    .description('show the processes, the runs in progress and what waits for a person')
    .option('--json')
    .action(async (options: { json?: boolean }) => {
      try {
        show(cli, await askServer(cli), options.json);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        const known = processesOnDisk(cli);
        if (known === undefined) throw error;
        show(cli, known, options.json);
        cli.output.remark(error.message);
        cli.exitWith(exitCodes.unreachable);
      }
    });
}

async function askServer(cli: Cli): Promise<Status> {
  const client = cli.client();
  const [processes, sandboxes, runs, approvals, letters, handedOut, backups, { disk }] = await Promise.all([
    client.processes(),
    client.sandboxes(),
    client.runs({ active: true, limit: 200 }),
    client.approvals({ status: 'open', limit: 200 }),
    client.deadLetters({ limit: 200 }),
    handingOut(client),
    client.backups(),
    client.ready(),
  ]);
  return {
    embedded: processes.embedded,
    processes: processes.items,
    temporalUi: processes.temporalUi,
    work: {
      sandboxes: sandboxes.items.map((sandbox) => ({ ...sandbox, runs: runsIn(sandbox, runs.items) })),
      runs: runs.items,
      approvals: approvals.items,
      deadLetters: letters.items,
      ...handedOut,
      backups,
    },
    disk: disk.room && { room: disk.room, problem: disk.problem },
  };
}

async function handingOut(client: Client): Promise<Pick<Work, 'executors' | 'tasks' | 'allowances'>> {
  const [executors, tasks, allowances] = await Promise.all([
    client.executors({ limit: 200 }),
    client.taskCounts(),
    client.allowances({ limit: 200 }),
  ]);
  const shared = allowances.items.filter(({ name }) => name === 'tenant' || name.startsWith('executor/'));
  return { executors: executors.items, tasks, allowances: shared };
}

function runsIn({ mode }: SandboxView, runs: readonly RunView[]): number {
  return runs.filter(({ execMode, status }) => execMode === mode && status !== 'queued').length;
}

function processesOnDisk(cli: Cli): Status | undefined {
  const folder = cli.dataFolder();
  const file = folder === undefined ? undefined : readProcesses(folder);
  if (!file) return undefined;
  const { temporalUi, processes } = file;
  return { embedded: true, processes: seenNow(processes), temporalUi, work: null, disk: null };
}

function show(cli: Cli, status: Status, json: boolean | undefined): void {
  const { output } = cli;
  if (json) {
    const { processes, temporalUi, work, disk } = status;
    const handedOut = { executors: null, tasks: null, allowances: null, backups: null };
    const unknown = { sandboxes: null, runs: null, approvals: null, deadLetters: null, ...handedOut };
    return output.json({ processes, temporalUi, disk, ...(work ?? unknown) });
  }
  if (status.embedded) {
    const rows = status.processes.map((each) => [
      each.name,
      each.pid,
      each.address,
      each.health,
      each.restarts,
    ]);
    output.line(tableOf(output, ['PROCESS', 'PID', 'ADDRESS', 'HEALTH', 'RESTARTS'], rows));
    const problem = supervisionProblem(status.processes);
    if (problem !== undefined) output.line(output.colors.yellow(problem));
    if (status.temporalUi !== null) output.line(`Temporal's Web UI: ${status.temporalUi}`);
  } else {
    output.line('This server does not supervise its own processes.');
  }
  if (status.disk?.problem) output.line(output.colors.yellow(status.disk.problem));
  if (status.work !== null) showWork(cli, status.work);
}

function showWork(cli: Cli, work: Work): void {
  const { sandboxes, runs, approvals, deadLetters } = work;
  const { output } = cli;
  const { yellow } = output.colors;
  const width = output.isTerminal ? output.columns : Infinity;
  output.line();
  for (const { mode, reach, problem, runs: inIt } of sandboxes) {
    const words = printableLine(problem ?? `${reach}.`, 300);
    const atWork = inIt > 0 ? ` (${plural(inIt, 'run')} at work)` : '';
    output.line(wrapText(`Sandbox ${printableLine(mode, 40)}${atWork}: ${words}`, width));
  }
  showBackups(cli, work.backups);
  output.line();
  if (runs.length === 0) output.line('No run is in progress.');
  else output.line(tableOf(output, ['RUN', 'STATUS', 'STEPS', 'COST', 'SINCE', 'PROMPT'], runs.map(toRow)));
  showTasks(cli, work);
  if (approvals.length > 0) {
    output.line();
    output.line(yellow(`${plural(approvals.length, 'approval')} waiting; answer with approve or deny:`));
    output.line(approvalTable(cli, approvals));
  }
  if (deadLetters.length > 0) {
    output.line();
    output.line(yellow(`${plural(deadLetters.length, 'dead letter')} waiting for a person:`));
    output.line(deadLetterTable(cli, deadLetters));
  }
}

function showBackups({ output }: Cli, { items, problem }: BackupListView): void {
  const good = items.find(({ check }) => check?.problem === null);
  if (problem === null && good) output.line(`The newest good backup is ${toSpan(good.createdAt)} old.`);
  else if (problem !== null) output.line(output.colors.yellow(problem));
}

/** Nothing where there are no tasks. */
function showTasks(cli: Cli, { executors, tasks: { pending, blocked, inProgress }, allowances }: Work): void {
  const { output } = cli;
  if (pending + blocked + inProgress === 0) return;
  output.line();
  const waiting = blocked === 0 ? '' : `, ${blocked} blocked`;
  output.line(`Tasks: ${inProgress} in progress, ${pending} pending${waiting}`);
  output.line(executorTable(cli, executors));
  for (const { name, model, limits, used } of allowances) {
    if (model !== '' || limits.dayCostMicros === 0) continue;
    const left = Math.max(0, limits.dayCostMicros - used.dayCostMicros);
    output.line(`Left today of ${printableLine(name, 100)}: ${toDollars(left)}`);
  }
}

function toRow(run: RunView): (string | number)[] {
  const since = toDuration(Math.max(0, Date.now() - Date.parse(run.startedAt ?? run.createdAt)));
  const state = run.stuck === null ? `${run.status}${run.parked ? ' (parked)' : ''}` : `stuck: ${run.stuck}`;
  return [shortId(run.id), state, run.steps, toRunMoney(run), since, firstWords(run.prompt, 60)];
}

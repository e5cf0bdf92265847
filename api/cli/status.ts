// `perdure status`: the processes, the runs in progress, and what waits for a person.
import { Command } from 'commander';
import type { RunView } from '../../workflows/contracts/run.ts';
import type { DeadLetterView, ProcessView } from '../../workflows/contracts/system.ts';
import { Unreachable } from '../client.ts';
import { deadLetterTable } from './dead-letters.ts';
import { exitCodes } from './exit-codes.ts';
import { plural, toDollars, toDuration } from './figures.ts';
import { tableOf } from './output.ts';
import { printableLine } from './printable.ts';
import { readProcesses } from './server.ts';
import type { Cli } from './surroundings.ts';

/** `runs` and `deadLetters` are null when the API could not be asked: unknown is not none. */
interface Status {
  embedded: boolean;
  processes: ProcessView[];
  runs: RunView[] | null;
  deadLetters: DeadLetterView[] | null;
}

export function statusCommand(cli: Cli): Command {
  return new Command('status')
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
        cli.output.remark(`${error.message} The processes are as the supervisor noted them last.`);
        cli.exitWith(exitCodes.unreachable);
      }
    });
}

async function askServer(cli: Cli): Promise<Status> {
  const client = cli.client();
  const [processes, runs, letters] = await Promise.all([
    client.processes(),
    client.runs({ active: true, limit: 200 }),
    client.deadLetters({ limit: 200 }),
  ]);
  return {
    embedded: processes.embedded,
    processes: processes.items,
    runs: runs.items,
    deadLetters: letters.items,
  };
}

function processesOnDisk(cli: Cli): Status | undefined {
  const folder = cli.dataFolder();
  const file = folder === undefined ? undefined : readProcesses(folder);
  return file && { embedded: true, processes: file.processes, runs: null, deadLetters: null };
}

function show(cli: Cli, status: Status, json: boolean | undefined): void {
  const { output } = cli;
  if (json) {
    const { processes, runs, deadLetters } = status;
    return output.json({ processes, runs, deadLetters });
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
  } else {
    output.line('This server does not supervise its own processes.');
  }
  if (status.runs === null || status.deadLetters === null) return;
  output.line();
  if (status.runs.length === 0) output.line('No run is in progress.');
  else
    output.line(
      tableOf(output, ['RUN', 'STATUS', 'STEPS', 'COST', 'SINCE', 'PROMPT'], status.runs.map(toRow)),
    );
  if (status.deadLetters.length === 0) return;
  output.line();
  output.line(
    output.colors.yellow(`${plural(status.deadLetters.length, 'dead letter')} waiting for a person:`),
  );
  output.line(deadLetterTable(cli, status.deadLetters));
}

function toRow(run: RunView): (string | number)[] {
  const since = toDuration(Math.max(0, Date.now() - Date.parse(run.startedAt ?? run.createdAt)));
  const state = run.stuck === null ? `${run.status}${run.parked ? ' (parked)' : ''}` : `stuck: ${run.stuck}`;
  return [run.id, state, run.steps, toDollars(run.costMicros), since, printableLine(run.prompt, 40)];
}

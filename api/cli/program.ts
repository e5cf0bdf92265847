// The command line as a whole: its commands, how the server is found, and how each kind of trouble ends.
import { Command, CommanderError } from 'commander';
import { BrokenStream, type Client, createClient, ProblemError, Unreachable } from '../client/client.ts';
import { allowancesCommand } from './commands/allowances.ts';
import { approvalsCommand } from './commands/approvals.ts';
import { approveCommand } from './commands/approve.ts';
import { askCommand } from './commands/ask.ts';
import { cancelCommand } from './commands/cancel.ts';
import { chatCommand } from './commands/chat.ts';
import { checkpointsCommand } from './commands/checkpoints.ts';
import { contextCommand } from './commands/context.ts';
import { conversationsCommand } from './commands/conversations.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { demoCommand } from './commands/demo.ts';
import { deleteCommand } from './commands/delete.ts';
import { denyCommand } from './commands/deny.ts';
import { diffCommand } from './commands/diff.ts';
import { eventsCommand } from './commands/events.ts';
import { executorsCommand } from './commands/executors.ts';
import { exitCodes, exitCodesHelp } from './exit-codes.ts';
import { forkCommand, regenerateCommand } from './commands/fork.ts';
import { helpCommand } from './commands/help.ts';
import { installCommand } from './commands/install-command.ts';
import { interruptCommand } from './commands/interrupt.ts';
import { memoryCommand } from './commands/memory.ts';
import { fireCommand, mailboxCommand } from './commands/mailbox.ts';
import { modelsCommand } from './commands/models.ts';
import { policiesCommand } from './commands/policies.ts';
import { presetsCommand } from './commands/presets.ts';
import { workspacesCommand } from './commands/workspaces.ts';
import { printable, printableLine } from './terminal/printable.ts';
import { pruneCommand } from './commands/prune.ts';
import { processSideCommands } from './process-side.ts';
import { applyCommand, rewindCommand, undoCommand } from './commands/rewind.ts';
import { runCommand } from './commands/run.ts';
import { runsCommand } from './commands/runs.ts';
import { findDataFolder, findServer, isOnThisMachine, NoServer, type Place, UsageError } from './server.ts';
import { shortId } from './terminal/short-id.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { settleCommand } from './commands/settle.ts';
import { showCommand } from './commands/show.ts';
import { statusCommand } from './commands/status.ts';
import { steerCommand } from './commands/steer.ts';
import { taskCommand } from './commands/task.ts';
import { tokensCommand } from './commands/tokens.ts';
import type { Cli, Surroundings } from './surroundings.ts';
import { usageCommand } from './commands/usage.ts';
import { wrapText } from './terminal/cells.ts';
import { versionLine } from './version.ts';
import { watchCommand } from './commands/watch.ts';
import { webhooksCommand } from './commands/webhooks.ts';

const shortHelp = `Perdure runs agents that survive the death of any of their processes.

  perdure run "What to do"     start a run in this directory and show it
  perdure run --continue "…"   go on with the latest conversation here
  perdure chat                 talk with an agent in this terminal
  perdure status               what runs, and what waits for you
  perdure runs                 the runs; perdure show last: the newest
  perdure diff last            what it changed; perdure undo last: take it back
  perdure approvals            what waits for an answer

\`perdure --help\` lists all commands, \`perdure help run\` explains one.`;

/** Those that ask a server, in the order of the help. */
const commands = [
  runCommand,
  forkCommand,
  regenerateCommand,
  chatCommand,
  watchCommand,
  eventsCommand,
  statusCommand,
  steerCommand,
  interruptCommand,
  cancelCommand,
  runsCommand,
  showCommand,
  contextCommand,
  conversationsCommand,
  askCommand,
  memoryCommand,
  mailboxCommand,
  fireCommand,
  allowancesCommand,
  usageCommand,
  approvalsCommand,
  approveCommand,
  denyCommand,
  diffCommand,
  checkpointsCommand,
  rewindCommand,
  undoCommand,
  applyCommand,
  settleCommand,
  modelsCommand,
  presetsCommand,
  workspacesCommand,
  policiesCommand,
  deadLettersCommand,
  scheduleCommand,
  taskCommand,
  executorsCommand,
  webhooksCommand,
  tokensCommand,
  pruneCommand,
  deleteCommand,
  demoCommand,
];

/** Runs one command line; the answer is the exit code. `installFolder` is where Perdure itself lies. */
export async function runProgram(
  args: string[],
  surroundings: Surroundings,
  installFolder: string,
): Promise<number> {
  const { output } = surroundings;
  const program = new Command('perdure');
  let code: number = exitCodes.ok;
  let client: Client | undefined;
  const dataFolder = (): string | undefined =>
    findDataFolder(surroundings.environment, [surroundings.folder, installFolder]);
  const server = (): Place =>
    findServer({
      ...program.opts<{ url?: string; tokenFile?: string }>(),
      dataFolder: dataFolder(),
      environment: surroundings.environment,
    });
  const cli: Cli = {
    ...surroundings,
    dataFolder,
    client: () => {
      client ??= createClient({ ...server(), surface: 'cli' });
      return client;
    },
    onThisMachine: () => isOnThisMachine(server(), dataFolder()),
    exitWith: (given) => {
      code = given;
    },
  };
  program
    .description('A self-hosted, durable agent platform.')
    .option('--url <url>', 'the server; else PERDURE_URL, else the data folder of `perdure serve`')
    .option('--token-file <file>', 'its token; else PERDURE_TOKEN, else the token in that data folder')
    .option('--version', 'print the version and the commit of this code')
    .on('option:version', () => {
      output.line(versionLine(installFolder, surroundings.environment));
      throw new CommanderError(exitCodes.ok, 'perdure.version', '');
    })
    .addHelpText('after', exitCodesHelp);
  for (const { command, hidden } of processSideCommands()) program.addCommand(command, { hidden });
  for (const make of commands) program.addCommand(make(cli));
  program.addCommand(installCommand(cli, installFolder));
  program.addCommand(helpCommand(program));
  prepare(program, output);
  if (args.length === 0) {
    output.line(shortHelp);
    return exitCodes.ok;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, output);
  }
}

// Every command of the tree writes through our output and throws instead of ending the process.
function prepare(command: Command, output: Surroundings['output']): void {
  command
    .helpCommand(false)
    // Narrower than this, a description stands unbroken, and the terminal cuts its words.
    .configureHelp({ minWidthToWrap: 12 })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.write(wrapText(text, output.columns)),
      writeErr: (text) => output.remark(text.trimEnd()),
      getOutHelpWidth: () => output.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  // A group whose default command lists would take the name of one that there is not for an argument of that.
  command.hook('preSubcommand', ({ args: [name = '-'], commands: known }) => {
    const names = known.flatMap((each) => [each.name(), ...each.aliases()]);
    if (!name.startsWith('-') && !names.includes(name))
      command.error(
        `error: there is no perdure ${command.name()} ${printableLine(name, 40)}; there are: ${names.join(', ')}`,
      );
  });
  for (const child of command.commands) prepare(child, output);
}

function explain(error: unknown, output: Surroundings['output']): number {
  if (error instanceof CommanderError) {
    // Commander has already said what is wrong; help that was asked for is not an error.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  if (error instanceof UsageError || error instanceof NoServer) {
    output.remark(`perdure: ${printable(error.message)}`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.unreachable;
  }
  if (error instanceof Unreachable) {
    output.remark(`perdure: ${printableLine(error.message, 500)}`);
    return exitCodes.unreachable;
  }
  if (error instanceof ProblemError) {
    explainProblem(error, output);
    return [400, 413, 422].includes(error.status) ? exitCodes.usage : exitCodes.failed;
  }
  const known = error instanceof BrokenStream || error instanceof Error;
  output.remark(`perdure: ${printableLine(known ? error.message : String(error), 500)}`);
  return exitCodes.failed;
}

function explainProblem({ problem, status, message }: ProblemError, output: Surroundings['output']): void {
  output.remark(`perdure: ${printableLine(message, 1000)}`);
  for (const field of problem.fields ?? []) {
    output.remark(`  ${printableLine(`${field.path}: ${field.problem}`, 500)}`);
  }
  if (status === 401)
    output.remark(
      '  Pass --token-file or PERDURE_TOKEN; on its machine, `perdure tokens remake` makes one anew.',
    );
  if (problem.activeRunId !== undefined) {
    output.remark(
      `  Watch it with: perdure watch ${printableLine(shortId(problem.activeRunId), 100)}${problem.code === 'ConversationBusy' ? '; or say --when-busy queue, steer or interrupt' : ''}.`,
    );
  }
  if (status >= 500 && problem.requestId !== '') {
    output.remark(`  Its log lines: perdure logs --request ${printableLine(problem.requestId, 100)}`);
  }
}

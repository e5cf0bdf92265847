// The entry of every server process and of the commands that need no running server. Each role is loaded only when
// it is asked for, so that a process starts with nothing it does not use.
import { exitCodes } from '../api/cli/exit-codes.ts';
import { standardStreams } from '../api/cli/terminal/standard-streams.ts';
import { ConfigProblem } from './config/config-problem.ts';

type Role = (args: string[]) => Promise<number>;

const roles: Record<string, () => Promise<Role>> = {
  serve: async () => (await import('./serve.ts')).serve,
  api: async () => (await import('./processes/children.ts')).runApi,
  worker: async () => (await import('./processes/children.ts')).runWorker,
  standby: async () => (await import('./processes/children.ts')).runStandby,
  db: async () => (await import('./db-command.ts')).runDbCommand,
  backup: async () => (await import('./backup-command.ts')).runBackupCommand,
  config: async () => (await import('./config/config-command.ts')).runConfigCommand,
  tokens: async () => (await import('./tokens-command.ts')).runTokensCommand,
  sandbox: async () => (await import('./sandbox/sandbox-command.ts')).runSandboxCommand,
  logs: async () => (await import('./logs/logs-command.ts')).runLogsCommand,
};

const { stdout, stderr } = standardStreams();
const called = process.argv.slice(2);
const [name = '', ...args] = called;
const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
if (role === undefined) {
  stderr.write(`There is no role "${name}": it is one of ${Object.keys(roles).join(', ')}.\n`);
  process.exitCode = exitCodes.usage;
} else if (!(await writesHelp())) {
  try {
    process.exitCode = await (await role())(args);
  } catch (error) {
    // People get the sentence; the stack is for the log, and a bug has been logged by then.
    stderr.write(`perdure: ${(error as Error).message}\n`);
    process.exitCode = error instanceof ConfigProblem ? exitCodes.usage : exitCodes.failed;
  }
}

async function writesHelp(): Promise<boolean> {
  if (!args.includes('--help') && !args.includes('-h')) return false;
  const { writeHelp } = await import('../api/cli/process-side.ts');
  return writeHelp(called, (text) => stdout.write(text));
}

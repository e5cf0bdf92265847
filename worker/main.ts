// The entry of every server process and of the commands that need no running server. Each role is loaded only when
// it is asked for, so that a process starts with nothing it does not use.
import { ConfigProblem } from './config/config-problem.ts';

type Role = (args: string[]) => Promise<number>;

const roles: Record<string, () => Promise<Role>> = {
  serve: async () => (await import('./serve.ts')).serve,
  api: async () => (await import('./processes/children.ts')).runApi,
  worker: async () => (await import('./processes/children.ts')).runWorker,
  standby: async () => (await import('./processes/children.ts')).runStandby,
  db: async () => (await import('./db-command.ts')).runDbCommand,
  config: async () => (await import('./config/config-command.ts')).runConfigCommand,
  logs: async () => (await import('./logs/logs-command.ts')).runLogsCommand,
};

const [name = '', ...args] = process.argv.slice(2);

// Whoever reads us has read enough, such as `head`; a supervisor goes on without its reader, and where it cannot be
// written what it says: its output may be a file on a full disk.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && name !== 'serve') throw error;
  });
}
const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
if (role === undefined) {
  process.stderr.write(`There is no role "${name}": it is one of ${Object.keys(roles).join(', ')}.\n`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await (await role())(args);
  } catch (error) {
    // People get the sentence; the stack is for the log, and a bug has been logged by then.
    process.stderr.write(`perdure: ${(error as Error).message}\n`);
    process.exitCode = error instanceof ConfigProblem ? 2 : 1;
  }
}

// `perdure serve`, `logs`, `config` and `db` belong to the process side, which the CLI may not import: they are
// handed to the bootstrap as they were typed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

export const processSideCommands: Record<string, string> = {
  serve: 'start everything here: Postgres, Temporal, the API and a worker',
  logs: 'read the logs of the processes',
  config: 'print the effective configuration without secrets',
  db: 'migrate the database: up, down, current, history',
};

/** Runs the bootstrap in this terminal and ends with its exit code. */
export async function runProcessSide(bootstrap: string, args: string[]): Promise<number> {
  const child = spawn(process.execPath, [bootstrap, ...args], { stdio: 'inherit' });
  // A Ctrl-C reaches the child by itself, as a member of the terminal's group; we only must outlive it. Other
  // signals are sent to one process, and that is us.
  const stay = (): void => undefined;
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', stay).on('SIGTERM', pass).on('SIGHUP', pass);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    process.off('SIGINT', stay).off('SIGTERM', pass).off('SIGHUP', pass);
  }
}

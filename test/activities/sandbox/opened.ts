// A sandbox as the rules meet it: with the project behind it and a place it must not reach.
import type { ExecResult, ProcessGroup, Sandbox } from '../../../activities/sandbox/sandbox.ts';

export interface Opened {
  sandbox: Sandbox;
  /** The project as this machine sees it, and a directory beside it that must stay out of reach. */
  project: string;
  outside: string;
  groupIsAlive(group: ProcessGroup): boolean;
  dispose(): Promise<void>;
}

interface Ran {
  result: ExecResult;
  stdout: string;
  stderr: string;
  group: ProcessGroup;
}

export async function run(
  sandbox: Sandbox,
  command: string,
  signal: AbortSignal = new AbortController().signal,
  onGroup: (group: ProcessGroup) => void = () => {},
): Promise<Ran> {
  const output = { stdout: '', stderr: '' };
  let group: ProcessGroup | undefined;
  const result = await sandbox.exec({
    command,
    key: 'run/1.0',
    signal,
    async onStart(started) {
      group = started;
      onGroup(started);
    },
    onOutput(from, bytes) {
      output[from] += bytes.toString('utf8');
    },
  });
  return { result, ...output, group: group as ProcessGroup };
}

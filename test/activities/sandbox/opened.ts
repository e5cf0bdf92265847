// A sandbox as the rules meet it: with the project behind it and a place it must not reach.
import type { SandboxNeeds } from '../../../activities/sandbox/index.ts';
import type {
  ExecResult,
  Handle,
  OpenSandbox,
  Sandbox,
  SandboxDriver,
} from '../../../activities/sandbox/sandbox.ts';

export interface Opened {
  driver: SandboxDriver;
  /** What the driver was made from. */
  needs: SandboxNeeds;
  run: { id: string; projectPath: string | null };
  /** Opens the run's sandbox once more. */
  open(): Promise<OpenSandbox>;
  sandbox: Sandbox;
  /** The project as this machine sees it, and a directory beside it that must stay out of reach. */
  project: string;
  outside: string;
  /** The handle of something that is gone, whose number another command has now. */
  reused(handle: Handle): Handle;
  /** The same on another machine. */
  elsewhere(handle: Handle): Handle;
  dispose(): Promise<void>;
}

interface Ran {
  result: ExecResult;
  stdout: string;
  stderr: string;
  handle: Handle;
}

export async function run(
  sandbox: Sandbox,
  command: string,
  signal: AbortSignal = new AbortController().signal,
  onHandle: (handle: Handle) => void = () => {},
): Promise<Ran> {
  const output = { stdout: '', stderr: '' };
  let handle: Handle | undefined;
  const result = await sandbox.exec({
    command,
    key: 'run/1.0',
    signal,
    async onStart(started) {
      handle = started;
      onHandle(started);
    },
    onOutput(from, bytes) {
      output[from] += bytes.toString('utf8');
    },
  });
  return { result, ...output, handle: handle as Handle };
}

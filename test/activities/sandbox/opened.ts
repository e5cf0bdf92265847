// A sandbox as the rules meet it: with the project behind it and a place it must not reach.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
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

/** In a folder of its own, of a kind whose commands are process groups of this machine. */
export async function openInFolder(
  create: (needs: SandboxNeeds) => SandboxDriver,
  needsOf: (folder: string) => Pick<SandboxNeeds, 'programs' | 'gitBounds'>,
): Promise<Opened> {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-sandbox-')));
  const [project, outside] = [path.join(folder, 'project'), path.join(folder, 'outside')];
  mkdirSync(project);
  mkdirSync(outside);
  const needs: SandboxNeeds = {
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [path.join(folder, 'data')],
    ...needsOf(folder),
  };
  const driver = create(needs);
  const owner = { id: 'run', projectPath: project };
  const open = () => driver.open(owner);
  const opened = await open();
  const dispose = async (): Promise<void> => {
    await opened.close('ended');
    rmSync(folder, { recursive: true });
  };
  return {
    ...{ driver, needs, run: owner, open, sandbox: await opened.forCall(), project, outside, dispose },
    reused: (handle) => ({ ...handle, call: 'run/none', startedTicks: 'long:ago:mine' }),
    elsewhere: (handle) => ({ ...handle, host: 'another-machine' }),
  };
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

// A sandbox as the rules meet it: with the project behind it and a place it must not reach.
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import { agentUser } from '../../../activities/sandbox/docker/docker-settings.ts';
import type { SandboxNeeds } from '../../../activities/sandbox/index.ts';
import type {
  ExecResult,
  Handle,
  OpenSandbox,
  Sandbox,
  SandboxDriver,
  SandboxRun,
} from '../../../activities/sandbox/sandbox.ts';

export interface Opened {
  driver: SandboxDriver;
  /** Makes another driver of the kind. */
  create(needs: SandboxNeeds): SandboxDriver;
  /** What the driver was made from. */
  needs: SandboxNeeds;
  run: Omit<SandboxRun, 'mode'>;
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

/** What the handles of a kind are made of. */
interface OfHandles {
  reused: Partial<Handle>;
  elsewhere: Partial<Handle>;
}

const ofGroups: OfHandles = {
  reused: { call: 'run/none', startedTicks: 'long:ago:mine' },
  elsewhere: { host: 'another-machine' },
};

/** In a folder of its own. Root gives the project to the user that commands of containers have. */
export async function openInFolder(
  create: (needs: SandboxNeeds) => SandboxDriver,
  needsOf: (folder: string) => Pick<SandboxNeeds, 'programs' | 'gitBounds'> & Partial<SandboxNeeds>,
  ofHandles = ofGroups,
  theirs?: { container: ContainerRef; prepare(project: string): Promise<void> },
): Promise<Opened> {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-sandbox-')));
  const [project, outside] = [path.join(folder, 'project'), path.join(folder, 'outside')];
  mkdirSync(project);
  mkdirSync(outside);
  const needs: SandboxNeeds = {
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [path.join(folder, 'data')],
    docker: usualDocker(),
    ...needsOf(folder),
  };
  const driver = create(needs);
  if (driver.mode === 'sandbox') giveToAgent(project);
  await theirs?.prepare(project);
  const owner = { id: 'run', tenantId: 'tenant', projectPath: project, container: theirs?.container };
  const open = () => driver.open(owner);
  const opened = await open();
  const dispose = async (): Promise<void> => {
    await opened.close('ended');
    rmSync(folder, { recursive: true });
  };
  return {
    ...{
      driver,
      create,
      needs,
      run: owner,
      open,
      sandbox: await opened.forCall(),
      project,
      outside,
      dispose,
    },
    reused: (handle) => ({ ...handle, ...ofHandles.reused }),
    elsewhere: (handle) => ({ ...handle, ...ofHandles.elsewhere }),
  };
}

/** An installation of its own on this machine's engine. */
export function usualDocker(): SandboxNeeds['docker'] {
  return {
    instance: `test-${randomBytes(4).toString('hex')}`,
    address: process.env.DOCKER_HOST ?? '/var/run/docker.sock',
    image: 'perdure-sandbox',
    limits: { memoryBytes: 512 * 2 ** 20, cpus: 1, processes: 100, diskBytes: 10 * 2 ** 30 },
    most: 8,
  };
}

/** As what makes a work tree does where the worker is root. */
export function giveToAgent(tree: string): void {
  if (process.getuid?.() === 0) chownSync(tree, agentUser.uid, agentUser.gid);
}

// Of this file alone: killing a command by its handle ends whatever on the machine carries its key.
export const usualKey = `${randomBytes(4).toString('hex')}/1.0`;

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
  key = usualKey,
): Promise<Ran> {
  const output = { stdout: '', stderr: '' };
  let handle: Handle | undefined;
  const result = await sandbox.exec({
    command,
    key,
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

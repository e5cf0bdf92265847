// The engine as the tests of containers look at it, past the driver.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { onTestFinished } from 'vitest';
import type { DockerNeeds } from '../../../../activities/sandbox/docker/docker-settings.ts';
import { init } from '../../../../activities/sandbox/docker/inner.ts';
import { createDocker } from '../../../../activities/sandbox/docker/docker.ts';
import type { OpenSandbox, Sandbox, SandboxDriver, Usable } from '../../../../activities/sandbox/sandbox.ts';
import { giveToAgent, usualDocker } from '../opened.ts';

export interface Scene {
  docker: Docker;
  driver: SandboxDriver;
  needs: DockerNeeds;
  folder: string;
  project: string;
  open(runId?: string): Promise<{ opened: OpenSandbox; sandbox: Sandbox }>;
  /** All containers of this installation. */
  containers(): Promise<Docker.ContainerInspectInfo[]>;
  /** The commands of all processes in them, as the machine sees them; a shell that waits for a command is none. */
  processes(): Promise<string[]>;
  /** Those, and such shells. */
  andWaiting(): Promise<string[]>;
}

/** An installation of its own, whose containers are gone when the test is over. */
export async function openScene(
  change: Partial<DockerNeeds['docker']> = {},
  hidden: (project: string) => string[] = () => [],
): Promise<Scene> {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-docker-')));
  const project = path.join(folder, 'project');
  mkdirSync(project);
  giveToAgent(project);
  const needs: DockerNeeds = {
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: hidden(project),
    docker: { ...usualDocker(), ...change },
  };
  const docker = new Docker({ socketPath: needs.docker.address.replace(/^unix:\/\//, '') });
  const filters = JSON.stringify({ label: [`perdure.instance=${needs.docker.instance}`] });
  const listed = async () => docker.listContainers({ all: true, filters });
  const all: OpenSandbox[] = [];
  onTestFinished(async () => {
    for (const one of all) await one.close('ended').catch(() => {});
    for (const { Id } of await listed()) await orGone(docker.getContainer(Id).remove({ force: true }));
    rmSync(folder, { recursive: true });
  });
  const driver = createDocker(needs);
  return {
    ...{ docker, driver, needs, folder, project },
    async open(id = randomBytes(4).toString('hex')) {
      const opened = await driver.open({ id, tenantId: 'theirs', projectPath: project });
      all.push(opened);
      return { opened, sandbox: await opened.forCall() };
    },
    async containers() {
      const found = (await listed()).map(({ Id }) => orGone(docker.getContainer(Id).inspect()));
      return (await Promise.all(found)).flatMap((one) => one ?? []);
    },
    processes: () => seen(false),
    andWaiting: () => seen(true),
  };

  async function seen(waiting: boolean): Promise<string[]> {
    const tops = (await listed()).map(({ Id }) =>
      orGone(docker.getContainer(Id).top({ ps_args: '-eo pid,ppid,args' })),
    );
    return (await Promise.all(tops)).flatMap((top) =>
      ((top?.Processes ?? []) as [string, string, string][])
        .filter(
          ([pid, , command], _at, all) => waiting || !isLauncher(command) || all.some(([, of]) => of === pid),
        )
        // What the first process of a container waits with: a minute, and then by the day.
        .map(([, , command]) => (command === 'sleep 86400' ? 'sleep 60' : command)),
    );
  }
}

/**
 * One that has ended, and is about to be gone, has no more words than its name. One that is being started is the engine's
 * own program for a moment.
 */
function isLauncher(command: string): boolean {
  return /^(\[sh\]( <defunct>)?|runc init)$/.test(command) || command.startsWith('/bin/sh -c exec 3<&0 4>&2');
}

/** Empty where there is no file. What a command makes is there a moment before it is written. */
export function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Asks again where the engine took longer than the second it has. */
export async function probed(
  driver: SandboxDriver,
  run?: Parameters<SandboxDriver['probe']>[0],
): Promise<Usable> {
  for (;;) {
    const usable = await driver.probe(run);
    if (usable.ok || !usable.why.includes('no answer within')) return usable;
  }
}

/** What a container without a command has. */
export const idleProcesses = [`/bin/sh -c ${init}`, 'sleep 60'];

/** Of a container that is being removed or has stopped meanwhile: undefined. */
async function orGone<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if ([404, 409].includes((error as { statusCode?: number }).statusCode ?? 0)) return undefined;
    throw error;
  }
}

// The sandbox in containers: one for each run, made by a Docker engine. Commands see an image, the run's work tree and
// nothing of the machine, and no network. Files are read and written from here, held to the tree by descriptor.
import { chown, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxDriver } from '../sandbox.ts';
import { lookBeside, openBeside, withoutHidden } from '../tree/beside.ts';
import { filesOf } from '../tree/files.ts';
import { findGuarded } from '../tree/guarded.ts';
import { openTree } from '../tree/open-tree.ts';
import { realNames } from '../tree/real-names.ts';
import { isAtWork, type Places, remove } from './container.ts';
import { agentUser, type DockerNeeds, mode } from './docker-settings.ts';
import { createEngine, type Engine, isUnreachable, whenBack } from './engine.ts';
import { containerHandles } from './handles.ts';
import { labels, nameOf } from './labels.ts';
import { createPlaces } from './places.ts';
import { probeDocker } from './probe.ts';
import { openRun } from './run-in-container.ts';
import { lastUse, removeWaysFolder, runsWithWays } from './way.ts';

export function createDocker(needs: DockerNeeds): SandboxDriver {
  const engine = createEngine(needs.docker.address);
  const places = createPlaces(engine, needs.docker, (runId) => lastUse(needs.viewFolder, runId));
  return {
    mode,
    contains: { files: true, network: true, processes: true },
    reach: 'contains files, network, processes, memory and processor, in a container for each run',
    probe: () => probeDocker(engine, needs.docker),
    open: (run) => open(needs, engine, places, run),
    ...containerHandles(engine, 'ours'),
    kept: {
      runIds: () => keptRuns(engine, needs),
      async remove(runId) {
        await letGo(engine, nameOf(needs.docker.instance, runId), 'ended');
        await removeWaysFolder(needs.viewFolder, runId);
      },
    },
  };
}

/** Of an engine that does not answer nothing is known, and on most machines there is none. */
async function keptRuns(
  engine: Engine,
  { docker: { instance }, viewFolder }: DockerNeeds,
): Promise<string[]> {
  try {
    const docker = await engine.calls();
    const filters = JSON.stringify({ label: [`${labels.instance}=${instance}`] });
    const containers = await docker.listContainers({ all: true, filters });
    const runs = containers.flatMap(({ Labels }) => Labels[labels.run] ?? []);
    return [...new Set([...runs, ...(await runsWithWays(viewFolder))])];
  } catch (error) {
    if (isUnreachable(error)) return [];
    throw error;
  }
}

async function open(
  needs: DockerNeeds,
  engine: Engine,
  places: Places,
  { id, tenantId, projectPath, beside, variables }: Parameters<SandboxDriver['open']>[0],
): ReturnType<SandboxDriver['open']> {
  const root = projectPath ?? join(needs.workFolder, id);
  if (projectPath === null) await makeFolder(root);
  const hidden = await Promise.all(needs.hidden.map((each) => realpath(each).catch(() => each)));
  const tree = await openTree(root);
  const { real } = await tree.current();
  const others = await openBeside(beside);
  const lookAtOthers = await lookBeside(beside, hidden);
  const found = await findGuarded(real, hidden);
  const run = openRun({
    ...{ needs, engine, places, runId: id, tenantId, found, hidden, since: Date.now() },
    ...{ lookAtOthers, variables },
  });
  return {
    async forCall({ mayUse = () => undefined } = {}) {
      const at = await tree.current();
      return {
        root,
        exec: (options) => run.exec(at.real, options),
        follow: (names) => realNames({ given: root, real: at.real, programs: '' }, names),
        ...filesOf(
          { ...at, mayUse: withoutHidden(mayUse, [at.real, ...(beside ?? [])], hidden) },
          await others.current(),
        ),
      };
    },
    async close(state) {
      await tree.close();
      await others.close();
      await run.close();
      await letGo(engine, nameOf(needs.docker.instance, id), state);
      if (state === 'ended') await removeWaysFolder(needs.viewFolder, id);
    },
  };
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (process.getuid?.() === 0) await chown(folder, agentUser.uid, agentUser.gid);
}

/** A run that goes on keeps its files and loses what it had in memory; a command that another worker holds is left alone. */
async function letGo(engine: Engine, name: string, state: 'goes-on' | 'ended'): Promise<void> {
  await whenBack(engine, never, async (docker) => {
    const container = docker.getContainer(name);
    if (state === 'goes-on' && (await isAtWork(docker, container))) return;
    await remove(container);
  });
}

const never = new AbortController().signal;

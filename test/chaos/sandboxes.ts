// The sandboxes of programs: which kinds this machine has, and what is left of containers when all runs have ended.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import type { AskedMode } from '../../workflows/contracts/run.ts';
import type { SandboxView } from '../../workflows/contracts/system.ts';
import type { OwnEngine } from '../support/own-engine.ts';
import type { Platform } from '../support/platform.ts';
import type { Finding } from './evidence.ts';

// A worker looks for what dead ones have left as it starts and every minute; after that, what is there stays.
const goneMs = 75_000;
// The first process of a container that its engine forgot ends by itself after a minute.
const forgottenMs = 70_000;

/** Those that contain and that the platform says can be used, `mount` first, `hybrid` where one contains. */
export async function usableKinds({ url, token }: Platform): Promise<AskedMode[]> {
  const response = await fetch(`${url}/api/v1/sandboxes`, { headers: { authorization: `Bearer ${token}` } });
  const { items } = (await response.json()) as { items: SandboxView[] };
  const usable = items.filter(({ problem }) => problem === null).map(({ mode }) => mode as AskedMode);
  // A container of a person's is none of ours to kill.
  const containing = usable.filter((mode) => mode !== 'mount' && mode !== 'container');
  return ['mount', ...containing, ...(containing.length > 0 ? (['hybrid'] as const) : [])];
}

/** What is left of these runs, or of all in an engine of the own; containers that are found are removed. */
export async function leftInEngine(
  runIds: ReadonlySet<string>,
  platform: Pick<Platform, 'data'>,
  engine: OwnEngine | undefined,
): Promise<Finding> {
  const socketPath = (process.env.DOCKER_HOST ?? '/var/run/docker.sock').replace(/^unix:\/\//, '');
  const docker = engine?.docker ?? new Docker({ socketPath });
  const find = async () =>
    (await docker.listContainers({ all: true, filters: { label: ['perdure.run'] } })).filter(
      ({ Labels }) => engine !== undefined || runIds.has(Labels['perdure.run'] ?? ''),
    );
  const until = Date.now() + goneMs;
  let [left, sockets] = [await find(), await waysOutLeft(platform.data)];
  while (left.length + sockets.length > 0 && Date.now() < until) {
    await sleep(500);
    [left, sockets] = [await find(), await waysOutLeft(platform.data)];
  }
  const names = left.map(({ Names, State }) => `${Names[0]} ${State}`);
  const problems = [
    ...(names.length > 0 ? [`containers are left: ${names.join(', ')}`] : []),
    ...(sockets.length > 0 ? [`folders of ways out are left: ${sockets.join(', ')}`] : []),
    ...(engine ? await leftBeside(engine) : []),
  ];
  for (const { Id } of left) await docker.getContainer(Id).remove({ force: true });
  return {
    violations: problems.map((problem) => ({ invariant: 'I14', problem })),
    figures: { 'containers left': left.length },
  };
}

async function waysOutLeft(data: string): Promise<string[]> {
  return readdir(path.join(data, 'view', 'ways-out')).catch(() => []);
}

/** Of an engine without containers: processes that were in one, volumes, and networks but the two it always has. */
async function leftBeside(engine: OwnEngine): Promise<string[]> {
  const [{ Volumes }, networks] = await Promise.all([
    engine.docker.listVolumes(),
    engine.docker.listNetworks(),
  ]);
  const others = networks.filter(({ Name }) => Name !== 'host' && Name !== 'none');
  const until = Date.now() + forgottenMs;
  let processes = engine.processes();
  while (processes.length > 0 && Date.now() < until) {
    await sleep(500);
    processes = engine.processes();
  }
  const counts = {
    volumes: (Volumes ?? []).length,
    networks: others.length,
  };
  return [
    ...(processes.length > 0 ? [`processes of containers are left: ${processes.join(', ')}`] : []),
    ...Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [`${count} ${what} are left`] : [])),
  ];
}

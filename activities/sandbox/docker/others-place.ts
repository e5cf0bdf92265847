// Where a container that a person runs shows a project of this machine, as its engine tells.
import { realpath } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type Docker from 'dockerode';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import { statusOf } from './engine.ts';
import { labels } from './labels.ts';

export interface Place {
  /** The whole id of the container; a name may be another's tomorrow. */
  id: string;
  image: string;
  /** Where commands start. */
  directory: string;
  /** What its own environment says. */
  isTold: { LANG: boolean };
}

interface Problem {
  why: string;
  how: string;
}

/** A part of this machine that the container shows; without `from` it is none, and hides what is below. */
interface Shown {
  from: string | undefined;
  to: string;
  isWritable: boolean;
}

export async function findPlace(
  docker: Docker,
  { id: name, workdir }: ContainerRef,
  project: string | null,
): Promise<Place | Problem> {
  const found = await docker
    .getContainer(name)
    .inspect()
    .catch((error: unknown) => {
      if (statusOf(error) !== 404) throw error;
    });
  if (!found)
    return { why: `The Docker engine has no container ${name}.`, how: 'docker ps lists those that run.' };
  const { Id: id, State, Config, Image: image } = found;
  if (Config.Labels?.[labels.instance] !== undefined)
    return { why: `The container ${name} belongs to another run.`, how: 'Name one that you run yourself.' };
  if (!State.Running || State.Paused)
    return {
      why: `The container ${name} ${State.Paused ? 'is paused' : 'does not run'}.`,
      how: `Start it: docker ${State.Paused ? 'unpause' : 'start'} ${name}.`,
    };
  if (project === null)
    return {
      why: 'A run in a container needs a project: its files are those of a directory that the container shows.',
      how: 'Name it with project (perdure run --project DIR).',
    };
  const shown = await shownIn(found);
  const place = placeOf(shown, await realpath(project).catch(() => project));
  if (place === undefined)
    return {
      why: `The container ${name} does not show ${project}.`,
      how: `${shownWords(shown)} Or start it with -v ${project}:/workspace.`,
    };
  const { root, isWritable } = place;
  if (!isWritable)
    return {
      why: `The container ${name} shows ${project} read-only, and commands of a run may write there.`,
      how: `Start it with -v ${project}:${root}, without :ro.`,
    };
  const directory = workdir === undefined ? root : withoutEnd(posix.normalize(workdir));
  if (!isIn(root, directory))
    return {
      why: `In the container ${name}, ${directory} is no folder of the project, which is ${root} there.`,
      how: 'Leave the working directory out, or name one in it.',
    };
  // Null where an image has none.
  const variables = (Config.Env as string[] | null) ?? [];
  const isTold = { LANG: variables.some((each) => each.startsWith('LANG=')) };
  return { id, image, directory, isTold };
}

async function shownIn({ Mounts, HostConfig }: Docker.ContainerInspectInfo): Promise<Shown[]> {
  const mounted = Mounts.map(async ({ Source, Destination, RW }) => ({
    // One in memory has no source.
    from: Source ? await realpath(Source).catch(() => Source) : undefined,
    to: Destination,
    isWritable: RW,
  }));
  // What --tmpfs mounts is not among the mounts. The engine takes it as it was written.
  const inMemory = Object.keys((HostConfig.Tmpfs as Record<string, string> | null | undefined) ?? {});
  return [
    ...(await Promise.all(mounted)),
    ...inMemory.map((to) => ({ from: undefined, to: withoutEnd(posix.normalize(to)), isWritable: true })),
  ];
}

/** Where a path of this machine is in the container: not where something else is mounted over it. */
function placeOf(shown: readonly Shown[], path: string): { root: string; isWritable: boolean } | undefined {
  const places = shown.flatMap(({ from, to, isWritable }) =>
    from !== undefined && isIn(from, path)
      ? [{ to, root: join(to, path.slice(from.length)), isWritable }]
      : [],
  );
  const whole = places.find(({ to, root }) =>
    shown.every((other) => !isIn(other.to, root) || other.to.length <= to.length),
  );
  return whole && { root: withoutEnd(whole.root), isWritable: whole.isWritable };
}

function withoutEnd(path: string): string {
  return path.replace(/(?<=.)\/$/, '');
}

// Enough to see which is meant.
const mostNamed = 5;

function shownWords(shown: readonly Shown[]): string {
  const all = shown.flatMap(({ from }) => from ?? []);
  if (all.length === 0) return 'It shows no directory of this machine.';
  const named = all.slice(0, mostNamed);
  const more = all.length > mostNamed ? ` and ${all.length - mostNamed} more` : '';
  return `Name a project that it shows: ${named.join(', ')}${more}.`;
}

function isIn(folder: string, path: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`);
}

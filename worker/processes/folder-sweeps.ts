// What runs leave in the data folder besides rows: folders of runs without a project, and recorded trees.
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pruneTrees } from '../../activities/git/prune-trees.ts';
import type { Queries } from '../../activities/store/db/database.ts';
import {
  existingConversations,
  existingRuns,
  type ProjectOfRuns,
  projectsOfRuns,
  treesOfProject,
} from '../../activities/store/retention/run-folders.ts';
import type { FolderSweeps } from '../../activities/store/retention/sweeps.ts';
import type { Sweep, Swept } from '../../activities/store/retention/sweep.ts';
import { ownTreesFolder, treeName, treesFolder } from '../data-folder.ts';

// A folder may hold a checkout; removing a few takes a second or two.
const batchFolders = 20;

export function createFolderSweeps(dataFolder: string): FolderSweeps {
  return {
    workFolders: both(sweepWork(path.join(dataFolder, 'work')), sweepOwn(ownTreesFolder(dataFolder))),
    trees: sweepTrees(treesFolder(dataFolder)),
  };
}

interface Old {
  name: string;
  place: string;
}

/** Those in a folder that have not changed since. */
async function foldersIn(folder: string, before: Date): Promise<Old[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const old: Old[] = [];
  for (const name of names.sort()) {
    const place = path.join(folder, name);
    const found = await stat(place).catch(() => undefined);
    if (found?.isDirectory() && found.mtimeMs < before.getTime()) old.push({ name, place });
  }
  return old;
}

async function bytesOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const file of files.filter((each) => each.isFile()))
    bytes += (await stat(path.join(file.parentPath, file.name)).catch(() => undefined))?.size ?? 0;
  return bytes;
}

function sweepOf(oldIn: (queries: Queries, of: Swept) => Promise<Old[]>): Sweep {
  return {
    inFiles: true,
    async measure(queries, of) {
      const old = await oldIn(queries, of);
      let bytes = 0;
      for (const { place } of old) bytes += await bytesOf(place);
      return { rows: old.length, bytes };
    },
    async batch(queries, of) {
      const old = await oldIn(queries, of);
      let bytes = 0;
      for (const { place } of old.slice(0, batchFolders)) {
        bytes += await bytesOf(place);
        await rm(place, { recursive: true, force: true });
      }
      return { rows: Math.min(old.length, batchFolders), bytes, more: old.length > batchFolders };
    },
  };
}

/** A run's folder goes with its row; nothing else is ever removed there. */
function sweepWork(folder: string): Sweep {
  return sweepOf(async (queries, { before }) => {
    const old = (await foldersIn(folder, before)).filter(({ name }) => isRunId.test(name));
    const known = await existingRuns(
      queries,
      old.map(({ name }) => name),
    );
    return old.filter(({ name }) => !known.has(name));
  });
}

/** The trees that the runs of a conversation had of their own go with the last of these runs. */
function sweepOwn(folder: string): Sweep {
  return sweepOf(async (queries, { before }) => {
    const old = (await foldersIn(folder, before)).filter(({ name }) => isRunId.test(name));
    const known = await existingConversations(
      queries,
      old.map(({ name }) => name),
    );
    return old.filter(({ name }) => !known.has(name));
  });
}

function both(one: Sweep, other: Sweep): Sweep {
  return {
    inFiles: true,
    async measure(...of) {
      const [first, second] = [await one.measure(...of), await other.measure(...of)];
      return { rows: first.rows + second.rows, bytes: first.bytes + second.bytes };
    },
    async batch(...of) {
      const [first, second] = [await one.batch(...of), await other.batch(...of)];
      const { rows, bytes, more } = second;
      return { rows: first.rows + rows, bytes: first.bytes + bytes, more: first.more || more };
    },
  };
}

const isRunId = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The git directory of a project goes when no run names the project any more; of the others the objects that no run's
 * tree needs, while no run is at work in the project. One project a batch: git takes minutes for a large one.
 */
function sweepTrees(folder: string): Sweep {
  const unnamed = sweepOf(async (queries, { before }) => {
    const known = await namedFolders(queries);
    return (await foldersIn(folder, before)).filter(({ name }) => name.endsWith('.git') && !known.has(name));
  });
  // How far the pruning of that age has come in this process. Another begins it anew, which costs time alone.
  let last = { of: 0, name: '' };
  return {
    ...unnamed,
    async batch(queries, of) {
      const removed = await unnamed.batch(queries, of);
      if (removed.more) return removed;
      if (last.of !== of.before.getTime()) last = { of: of.before.getTime(), name: '' };
      const named = await namedFolders(queries);
      for (const name of [...named.keys()].filter((each) => each > last.name).sort()) {
        last.name = name;
        const project = named.get(name);
        const gitFolder = path.join(folder, name);
        if (!project || project.active || !(await stat(gitFolder).catch(() => undefined))) continue;
        const size = await bytesOf(gitFolder);
        const trees = await treesOfProject(queries, project.path);
        await pruneTrees({ gitFolder, trees, before: of.before });
        removed.bytes += Math.max(0, size - (await bytesOf(gitFolder)));
        return { ...removed, more: true };
      }
      return removed;
    },
  };
}

async function namedFolders(queries: Queries): Promise<Map<string, ProjectOfRuns>> {
  const projects = await projectsOfRuns(queries);
  return new Map(projects.map((project) => [treeName(project.path), project]));
}

// A data folder that was moved while nothing ran in it. Nearly all of it is found by where it lies; runs whose project
// lies inside, such as the demo's, name it by its whole path, and follow here before anything works with them.
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { openDatabase } from '../../activities/store/db/database.ts';
import { moveProjects, projectsBelow } from '../../activities/store/runs/moved-projects.ts';
import type { DataFolder } from '../data-folder.ts';
import { treeFolder } from '../data-folder.ts';
import { writeFileWhole } from '../write-file-whole.ts';

/** Call once the database is migrated and before the API and the worker start. Returns where the folder was. */
export async function followMove(
  data: Pick<DataFolder, 'folder' | 'locationFile'>,
  databaseUrl: string,
): Promise<string | undefined> {
  const { folder, locationFile } = data;
  const last = existsSync(locationFile) ? readFileSync(locationFile, 'utf8').replace(/\n$/, '') : undefined;
  if (last === folder) return undefined;
  if (last !== undefined && last !== '') await move(data, databaseUrl, last);
  // Last: a start that is killed before it does all of this again, and finds less to do.
  writeFileWhole(locationFile, `${folder}\n`);
  return last;
}

async function move(
  { folder }: Pick<DataFolder, 'folder'>,
  databaseUrl: string,
  from: string,
): Promise<void> {
  const database = openDatabase({ url: databaseUrl, connections: 1, name: 'perdure-move' });
  try {
    for (const project of await projectsBelow(database.db, from)) {
      const before = treeFolder(folder, project);
      const after = treeFolder(folder, folder + project.slice(from.length));
      if (existsSync(before) && !existsSync(after)) renameSync(before, after);
    }
    await moveProjects(database.db, from, folder);
  } finally {
    await database.close();
  }
}

// What a start does to its database before anything else works with it: the newest tables, the paths of a folder that was
// moved, and the token. Each may be done twice.
import { migrateUp } from '../../activities/store/db/migrate.ts';
import type { DataFolder } from '../data-folder.ts';
import { openFolderToken } from './folder-token.ts';
import { followMove } from './moved-folder.ts';

export interface PreparedDatabase {
  /** The migrations that were due. */
  migrated: string[];
  /** Where the data folder was, when it was somewhere else. */
  moved: string | undefined;
  /** What people must be told of the token, if anything. */
  token: string | undefined;
}

/** Of the data folder only the paths: it crosses into another process. */
export type DataPaths = Pick<DataFolder, 'folder' | 'locationFile'>;

export async function prepareDatabase(data: DataPaths, url: string): Promise<PreparedDatabase> {
  const migrated = await migrateUp(url);
  const moved = await followMove(data, url);
  return { migrated, moved, token: await openFolderToken(data.folder, url) };
}

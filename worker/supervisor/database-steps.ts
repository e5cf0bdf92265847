// What a start does to its database before anything else works with it: the newest tables, the paths of a folder that was
// moved, and the token. Each may be done twice. And what a worker-only start looks at first, which changes nothing.
import { migrateUp, schemaProblem } from '../../activities/store/db/migrate.ts';
import { defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { namesake } from '../../activities/store/runs/executors.ts';
import type { Config } from '../config/config.ts';
import type { DataFolder } from '../data-folder.ts';
import { bucketOf } from '../processes/deps.ts';
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

export async function prepareDatabase(
  data: DataPaths,
  url: string,
  s3: Config['s3'],
): Promise<PreparedDatabase> {
  const migrated = await migrateUp(url);
  await tryBucket(url, s3);
  const moved = await followMove(data, url);
  return { migrated, moved, token: await openFolderToken(data.folder, url) };
}

/** Throws a sentence for people where large content could not be kept. */
async function tryBucket(url: string, s3: Config['s3']): Promise<void> {
  if (s3.bucket === undefined) return;
  const database = openDatabase({ url, connections: 1, name: 'perdure-bucket' });
  try {
    await bucketOf(s3, database.db)?.tryOut();
  } finally {
    await database.close();
  }
}

/** Who joins, as its executor would be registered. */
export interface Joining {
  name: string;
  folder: string;
  host: string;
}

/** Why a worker cannot join the installation of this database, in a sentence. */
export async function joinProblem(joining: Joining, url: string): Promise<string | undefined> {
  const schema = await schemaProblem(url);
  if (schema !== undefined) return schema;
  const database = openDatabase({ url, connections: 1, name: 'perdure-join' });
  try {
    const other = await namesake(database.db, { tenantId: defaultTenant, ...joining });
    return (
      other &&
      `There is an executor ${joining.name} already, on ${other.host}: give this one another name with --executor-name.`
    );
  } finally {
    await database.close();
  }
}

// A process that keeps the documents of ended runs, or prunes content, and kills itself at a chosen point of that:
// `node mortal-keeper.ts`, told by a message. The points are wrapped around the product's own pieces.
import pino from 'pino';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { type BucketSettings, createBucket } from '../../activities/store/log/bucket.ts';
import { type Contents, createContents } from '../../activities/store/log/contents.ts';
import { createFolder, type Place } from '../../activities/store/log/place.ts';
import { createStateChore } from '../../api/upkeep/state-chore.ts';
import { openPatient } from './patient.ts';

export const keeperPoints = [
  /** The document lies in its place, no row tells of it. */
  'put',
  /** Its row is there, the run does not name it. */
  'told',
  /** The bytes are removed, their row's removal has not committed. */
  'removed',
] as const;

export interface KeeperOrder {
  url: string;
  folder: string;
  bucket: BucketSettings | undefined;
  point: (typeof keeperPoints)[number];
}

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}

function mortal(place: Place, point: KeeperOrder['point']): Place {
  return {
    ...place,
    async put(...given) {
      await place.put(...given);
      if (point === 'put') await die();
    },
    async remove(name) {
      await place.remove(name);
      if (point === 'removed') await die();
    },
  };
}

function mortalContents(contents: Contents, point: KeeperOrder['point']): Contents {
  return {
    ...contents,
    async take(...given) {
      const taken = await contents.take(...given);
      if (point === 'told') await die();
      return taken;
    },
  };
}

async function obey({ url, folder, bucket, point }: KeeperOrder): Promise<void> {
  const { db } = openPatient({ url, connections: 4, name: 'mortal-keeper' });
  const place = bucket === undefined ? createFolder(folder) : createBucket(bucket, db);
  const contents = mortalContents(createContents(db, folder, mortal(place, point)), point);
  if (point === 'removed')
    await db
      .transaction()
      .execute((tx) => contents.removeUnnamed(tx, defaultTenant, new Date(Date.now() + 60_000)));
  else await createStateChore({ db, contents, logger: pino() }).act();
}

process.on('message', (order) => void obey(order as KeeperOrder));

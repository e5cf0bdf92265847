// Once after each start: whether large content that rows name lies where it should. A slice of it with each pass of the
// sweeper, since each piece may be a request to a bucket.
import type { Logger } from 'pino';
import type { Db } from '../../activities/store/db/database.ts';
import {
  findLost,
  forgetStates,
  type LargeContent,
  listLarge,
} from '../../activities/store/lifecycle/lost-contents.ts';
import type { Contents } from '../../activities/store/log/contents.ts';
import type { Chore } from './upkeep.ts';

// A fifth of the time between two passes.
const sliceMs = 1000;
// Enough to look into; the rest is counted.
const mostTold = 10;

export function createContentsChore({
  db,
  contents,
  logger,
}: {
  db: Db;
  contents: Contents;
  logger: Logger;
}): Chore {
  let left: LargeContent[] | undefined;
  const lost: LargeContent[] = [];
  let isDone = false;
  return {
    name: 'looking for lost content',
    async act() {
      if (isDone) return;
      left ??= await listLarge(db);
      lost.push(...(await findLost(contents, left, Date.now() + sliceMs)));
      if (left.length > 0) return;
      isDone = true;
      const states = new Set(await forgetStates(db, lost));
      if (states.size > 0)
        logger.warn(
          { missing: states.size },
          'documents of runs were not there any more; they are written anew where PERDURE_KEEP_STATE is on',
        );
      const keys = lost.map(({ key }) => key).filter((key) => !states.has(key));
      if (keys.length > 0)
        logger.error(
          { missing: keys.length, keys: keys.slice(0, mostTold) },
          'outputs or attachments that rows name are not there: bring back the folder `contents` or the bucket that had them',
        );
    },
  };
}

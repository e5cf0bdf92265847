import path from 'node:path';
import { expect, test } from 'vitest';
import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { escapesFrom } from '../escapes/escapes.ts';

test('no probe finds a way out of bubblewrap', async () => {
  const escapes = await escapesFrom(({ folder, data }) =>
    createBubblewrap({
      workFolder: path.join(folder, 'work'),
      viewFolder: path.join(folder, 'view'),
      hidden: [data],
      programs: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    }),
  );
  expect(escapes).toEqual([]);
}, 180_000);

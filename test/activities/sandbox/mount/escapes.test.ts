// In the directory of the machine itself nothing is kept in. So it shows that each probe reaches what it is after.
import path from 'node:path';
import { expect, test } from 'vitest';
import { createMount } from '../../../../activities/sandbox/mount/mount.ts';
import { escapesFrom, tried } from '../escapes/escapes.ts';

test('every probe for a way out finds one where nothing is contained', async () => {
  const escapes = await escapesFrom(({ folder }) =>
    createMount({
      workFolder: path.join(folder, 'work'),
      programs: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      gitBounds: async () => ({}),
    }),
  );
  expect(escapes).toEqual(tried.map(({ name }) => name));
}, 180_000);

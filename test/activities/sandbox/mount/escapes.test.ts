// In the directory of the machine itself nothing is kept in. So it shows that each probe reaches what it is after.
import path from 'node:path';
import { expect, test } from 'vitest';
import { createMount } from '../../../../activities/sandbox/mount/mount.ts';
import { escapesFrom, type MakeDriver, tried } from '../escapes/escapes.ts';
import { plant, plants } from '../escapes/plants.ts';

const make: MakeDriver = ({ folder }) =>
  createMount({
    workFolder: path.join(folder, 'work'),
    programs: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    gitBounds: async () => ({}),
  });

test('every probe for a way out finds one where nothing is contained', {
  tags: ['faults'],
}, async () => {
  expect(await escapesFrom(make)).toEqual(tried.map(({ name }) => name));
});

test('what a command plants for a later git is run by a person’s, and not by ours', {
  tags: ['faults'],
}, async () => {
  expect(await plant(make)).toEqual(
    plants.map(({ name, trips }) => ({ name, ours: false, ...(trips && { theirs: true }) })),
  );
});

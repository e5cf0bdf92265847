import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { publicEgress } from '../../../../activities/egress/egress.ts';
import { createWaysOut } from '../../../../activities/egress/ways-out.ts';
import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { escapesFrom, type MakeDriver } from '../escapes/escapes.ts';
import { plant } from '../escapes/plants.ts';

const make: MakeDriver = ({ folder, data }) =>
  createBubblewrap({
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [data],
    programs: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  });

test('no probe finds a way out of bubblewrap', async () => {
  expect(await escapesFrom(make)).toEqual([]);
});

test('what a command plants for a later git is not run by ours', {
  tags: ['faults'],
}, async () => {
  expect((await plant(make)).filter(({ ours }) => ours)).toEqual([]);
});

test('no probe finds another way out than the one it was given', {
  tags: ['faults'],
}, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-let-out-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(await escapesFrom(make, { waysOut: createWaysOut({ folder, egress: publicEgress }) })).toEqual([]);
});

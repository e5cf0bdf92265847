import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createDisk } from '../../../activities/host/disk.ts';

const folder = tmpdir();
const missing = path.join(folder, 'not', 'there');

test('a disk with less than is needed is called full, by its folder and in figures; one with enough is not', () => {
  const petabyte = 1e15;
  const full = createDisk([missing, folder], petabyte);
  expect(full.problem()).toMatch(
    /^The disk of \S+ is nearly full: [\d,]+ MB are free, and new work needs 1,000,000,000 MB\. Make room there; what runs goes on by itself\.$/,
  );
  expect(full.look()).toEqual({
    folder,
    freeBytes: expect.any(Number) as number,
    minFreeBytes: petabyte,
    entriesLeft: true,
  });
  expect(createDisk([missing, folder], 0).problem()).toBeUndefined();
});

test('a disk that tells nothing is not called full: whoever writes there hears why', () => {
  const unknown = createDisk([missing], 1);
  expect([unknown.look(), unknown.problem()]).toEqual([undefined, undefined]);
});

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../worker/config/config.ts';
import { awkwardName, awkwardNames, unfitNames } from '../support/awkward-names.ts';

const outer = realpathSync(mkdtempSync(path.join(tmpdir(), 'perdure-real-')));
afterAll(() => rmSync(outer, { recursive: true }));

const folderOf = (given: string): string => loadConfig({ environment: { PERDURE_DATA: given } }).dataFolder;

test('a data folder keeps its name byte for byte, whether it is there yet or not', () => {
  for (const name of [...awkwardNames, awkwardName]) {
    const folder = path.join(outer, name);
    expect(folderOf(folder)).toBe(folder);
    mkdirSync(folder);
    expect(folderOf(folder)).toBe(folder);
  }
  // Two folders, though they look the same.
  expect(folderOf(path.join(outer, '\u00fc'))).not.toBe(folderOf(path.join(outer, 'u\u0308')));
});

test('a link, a slash at the end, dots and a relative name all lead to the one name', () => {
  const folder = path.join(outer, 'a', 'data');
  mkdirSync(folder, { recursive: true });
  mkdirSync(path.join(outer, 'b'));
  symlinkSync(folder, path.join(outer, 'b', 'link'));
  symlinkSync(path.join(outer, 'a'), path.join(outer, 'b', 'parent'));
  const names = [
    'b/link',
    'b/link/',
    'b/parent/data',
    'b/./link//',
    'a/data/../data/.',
    // Behind a link `..` is the parent of where it leads, as the kernel has it.
    'b/link/../data',
  ].map((name) => `${outer}/${name}`);
  const given = [
    ...names,
    path.relative(process.cwd(), path.join(outer, 'b/link')),
    `./${path.relative('.', folder)}`,
  ];
  expect(given.map(folderOf)).toEqual(given.map(() => folder));
  expect(folderOf(`${outer}/b/link/new/one`)).toBe(`${folder}/new/one`);
});

test('names that break lines, links that lead nowhere and names too long are refused in one sentence', () => {
  const refusalOf = (given: string): string => {
    try {
      return folderOf(given);
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const name of [...unfitNames, 'not\ufffdUTF-8']) {
    expect(refusalOf(path.join(outer, name))).toBe(
      `PERDURE_DATA: ${JSON.stringify(path.join(outer, name))} has a line break, a control character or bytes that are not UTF-8 in its name: choose a folder without.`,
    );
  }
  mkdirSync(path.join(outer, 'x\ny'));
  symlinkSync(path.join(outer, 'x\ny'), path.join(outer, 'to-unfit'));
  symlinkSync(path.join(outer, 'nowhere'), path.join(outer, 'dangling'));
  symlinkSync(path.join(outer, 'loop'), path.join(outer, 'loop'));
  expect([
    refusalOf(path.join(outer, 'to-unfit')),
    refusalOf(path.join(outer, 'dangling')),
    refusalOf(path.join(outer, 'loop')),
    refusalOf(path.join(outer, ...Array.from({ length: 3 }, () => 'l'.repeat(180)))),
  ]).toEqual([
    `PERDURE_DATA: ${JSON.stringify(path.join(outer, 'x\ny'))} has a line break, a control character or bytes that are not UTF-8 in its name: choose a folder without.`,
    `PERDURE_DATA: ${JSON.stringify(path.join(outer, 'dangling'))} is a link to nothing: mend the link, or choose another folder.`,
    `PERDURE_DATA: ${JSON.stringify(path.join(outer, 'loop'))} cannot be followed (ELOOP): mend the link, or choose another folder.`,
    `PERDURE_DATA: the data folder's name with all its parents is ${Buffer.byteLength(outer) + 543} bytes long and may be 480: choose a shorter one.`,
  ]);
});

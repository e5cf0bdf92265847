// A project whose path, and files whose names, mean something to shells, patterns, URLs and git.
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { diffTree, recordTree } from '../../../activities/git/tree.ts';
import { awkwardName, awkwardNames } from '../../support/awkward-names.ts';
import { openBench } from './tool-bench.ts';

// All at once below one another would be longer than a path may be.
const long = 'l'.repeat(180);
const wanted = path.join(awkwardName, ...awkwardNames.filter((name) => name !== long), 'project');

// A name that is there in its other normal form is that one, so a tool makes only one of the two.
const apart = awkwardNames.filter((name) => name.normalize('NFC') === name);

test('every file tool takes an awkward name as it is, in a project whose path is made of all of them', async () => {
  const { project, call } = await openBench(undefined, wanted);
  expect(project.endsWith(wanted)).toBe(true);
  for (const name of apart) {
    expect(await call('write', { path: `${name}/${name}`, content: `in ${name}\n` })).toMatchObject({
      ok: true,
    });
    expect(readFileSync(path.join(project, name, name), 'utf8')).toBe(`in ${name}\n`);
  }
  const read = async (name: string) => (await call('read', { path: path.join(project, name, name) })).output;
  expect(await Promise.all(apart.map(read))).toEqual(apart.map((name) => `in ${name}\n`));
  const names = apart.map((name) => `${name}/${name}`).sort();
  expect((await call('glob', { pattern: '**/*' })).output.split('\n')).toEqual(names);
  expect((await call('list', { path: '.' })).output.split('\n').sort()).toEqual(
    apart.map((name) => `${name}/`).sort(),
  );
  const found = (await call('grep', { pattern: '^in ', path: '.' })).output;
  expect(names.filter((name) => !found.includes(name))).toEqual([]);
  expect(await call('edit', { path: '*/*', old: 'in *', new: 'out' })).toMatchObject({ ok: true });
  expect((await call('shell', { command: 'pwd -P; cat "*/*"; printf %s "$PWD" | wc -c' })).output).toBe(
    `${project}\nout\n${Buffer.byteLength(project)}\n[exit code 0]`,
  );
});

test('a project is recorded and compared by whatever name, and the data folder inside it left out', async () => {
  const { project } = await openBench(undefined, wanted);
  const link = path.join(path.dirname(project), 'link');
  symlinkSync(project, link);
  const data = path.join(project, awkwardName);
  const gitFolder = path.join(data, 'trees', 'x.git');
  const put = (name: string, content: string): void => {
    mkdirSync(path.join(project, name), { recursive: true });
    writeFileSync(path.join(project, name, name), content);
  };
  for (const name of awkwardNames) put(name, 'one\n');
  const tree = await recordTree({ project, gitFolder, exclude: data });
  for (const name of awkwardNames) put(name, 'two\n');
  writeFileSync(path.join(data, 'secret'), 'no\n');
  const diff = await diffTree({
    project: link,
    gitFolder,
    exclude: realpathSync(data),
    tree,
    maxBytes: 1_000_000,
  });
  expect(diff.files).toEqual(
    awkwardNames
      .map((name) => ({ path: `${name}/${name}`, status: 'modified' }))
      .sort((one, other) => Buffer.compare(Buffer.from(one.path), Buffer.from(other.path))),
  );
  // As people write them, not as octal numbers.
  expect(diff.diff).toContain('+++ b/日本/日本\n');
});

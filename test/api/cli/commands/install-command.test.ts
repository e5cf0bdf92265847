import { chmod, mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder, perdure } from '../captured.ts';

async function aHome() {
  const home = await makeFolder();
  const installFolder = path.join(home, 'perdure');
  const program = path.join(installFolder, 'worker', 'perdure.mjs');
  const [own, other] = [path.join(home, '.local', 'bin'), path.join(home, 'other')];
  await mkdir(path.dirname(program), { recursive: true });
  await mkdir(other);
  await writeFile(program, '#!/bin/sh\n');
  await chmod(program, 0o755);
  const call = async (PATH: string, ...options: string[]) => {
    const called = perdure(['install-command', ...options], {
      environment: { HOME: home, PATH },
      installFolder,
    });
    return { code: await called.code, out: called.out(), err: called.err() };
  };
  return { own, other, program, call };
}

test('the command is put into the first usual folder of the PATH, once', async () => {
  const { own, other, program, call } = await aHome();
  const link = path.join(own, 'perdure');
  const PATH = `${other}:${own}`;
  expect(await call(PATH)).toEqual({
    code: 0,
    out: `perdure is now ${link}, a link to ${program}\n`,
    err: '',
  });
  expect(await readlink(link)).toBe(program);
  expect(await call(PATH)).toEqual({
    code: 0,
    out: `perdure is already ${link}, a link to ${program}\n`,
    err: '',
  });
});

test('what is there is not replaced unasked, and what does not lead here is said', async () => {
  const { other, program, call } = await aHome();
  const link = path.join(other, 'perdure');
  expect(await call('')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^perdure: None of the usual folders /),
  });
  expect(await call('', '--folder', other)).toMatchObject({
    code: 0,
    err: `Add it to your PATH: export PATH="${other}:$PATH"\n`,
  });
  const before = await makeFolder();
  await symlink('/bin/true', path.join(before, 'perdure'));
  expect((await call(`${before}:${other}`, '--folder', other)).err).toMatch(
    /^Another perdure comes before it on your PATH: \/.*true\. /,
  );
  expect(await call('', '--folder', before)).toMatchObject({
    code: 2,
    err: expect.stringContaining('replace it with --force'),
  });
  expect(await call('', '--folder', before, '--force')).toMatchObject({ code: 0 });
  expect(await readlink(path.join(before, 'perdure'))).toBe(program);
  const file = await makeFolder();
  await writeFile(path.join(file, 'perdure'), 'mine');
  expect(await call('', '--folder', file, '--force')).toMatchObject({
    code: 2,
    err: expect.stringContaining('is another program'),
  });
  expect(await readlink(link)).toBe(program);
});

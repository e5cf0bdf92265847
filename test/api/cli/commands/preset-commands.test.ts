// Presets from the command line: saved, shown, kept as files, used by a run, taken away; against the real API.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder, perdure, startApi } from '../captured.ts';

test('a preset is saved, shown, exported, changed, imported, used and deleted', async () => {
  const { api, environment } = await startApi();
  const folder = await makeFolder();
  const call = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const called = perdure(args, { environment, folder });
    return { code: await called.code, out: called.out(), err: called.err() };
  };
  const presets = (...args: string[]) => call('presets', ...args);

  await writeFile(path.join(folder, 'clerk.md'), 'You write {{ language }}.\n');
  const says = ['--model', 'scripted/slow', '--instructions', 'clerk.md', '--variable', 'language=Go'];
  expect(
    await presets('save', 'clerk', ...says, '--tools-off', 'fetch, shell', '--temperature', '0.5'),
  ).toEqual({
    ...{ code: 0, out: 'clerk, version 1\n', err: '' },
  });
  expect((await presets('save', 'clerk', '--policy', 'accept-edits', '--default')).out).toBe(
    'clerk, version 2, the default\n',
  );
  expect((await presets('show', 'clerk')).out).toBe(
    [
      'clerk, version 2, the default: clerk',
      '  model: scripted/slow',
      '  temperature: 0.5',
      '  not the tools: fetch, shell',
      '  policy: accept-edits',
      '  {{ language }}: "Go" unless given',
      '',
      'You write {{ language }}.\n',
      '',
    ].join('\n'),
  );
  expect((await presets()).out).toMatch(/\nclerk \* +2 +own +scripted\/slow +clerk\n/);

  const file = path.join(folder, 'clerk.toml');
  expect((await presets('export', 'clerk', '--file', 'clerk.toml')).out).toBe(`${file}\n`);
  await writeFile(file, (await readFile(file, 'utf8')).replace('scripted/slow', 'scripted/hello'));
  expect((await presets('import', 'clerk.toml')).out).toBe('clerk, version 3\n');
  expect((await presets('export', 'clerk')).out).toContain('\nmodel: scripted/hello\n');

  const begun = await call('run', 'Go.', '--project', 'none', '--detach', '--variable', 'language=C');
  const run = await api.ask('GET', `/runs/${begun.out.trim()}`);
  expect(run.json()).toMatchObject({
    preset: { id: 'clerk', version: 3, variables: { language: 'C' } },
    sources: { preset: 'instance', model: 'preset' },
  });

  const refused = await presets('delete', 'clerk');
  expect([refused.code, refused.err]).toEqual([
    1,
    expect.stringMatching(/^perdure: Conversation \S+ goes by the preset clerk; archive it/),
  ]);
  await api.ask('POST', `/runs/${begun.out.trim()}/cancel`, {});
  const named = ['--conversation', run.json<{ conversationId: string }>().conversationId, '--preset', 'none'];
  expect((await call('run', 'Go on.', '--detach', ...named)).code).toBe(0);
  expect((await presets('delete', 'clerk')).out).toBe('clerk is gone.\n');

  const wrong = [
    await presets('show', 'clerk'),
    await presets('import', 'missing.yaml'),
    await presets('import', 'clerk.md'),
    await presets('save', 'other', '--tools-off', 'bahs'),
    await presets('save', 'other', '--tools-off', 'read', '--tools-on', 'grep'),
    await presets('export', 'none'),
  ];
  expect(wrong.map(({ code, out, err }) => [code > 0, out, err.trimEnd().split('\n').length])).toEqual(
    wrong.map(() => [true, '', 1]),
  );
});

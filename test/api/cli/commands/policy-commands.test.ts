// What a profile says and would decide, a copy of it that is edited, and where it applies, against the real API.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { perdure, startApi } from '../captured.ts';

test('a profile is shown as sentences, tried, copied, changed and applied', async () => {
  const { environment } = await startApi({ realPath: async (given) => given });
  const folder = await mkdtemp(path.join(tmpdir(), 'policies-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const call = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const called = perdure(['policies', ...args], { environment, folder });
    const code = await called.code;
    return { code, out: called.out(), err: called.err() };
  };

  const shown = (await call('show', 'ask-before-changes')).out;
  expect(shown).toMatch(/^ask-before-changes, version \d+\nFor work with a person beside it: /);
  expect(shown).toContain('\n  6  Allows reading: reading in the project.\n');
  expect(shown).toContain('\n  7  Allows commands that only read: it only reads.\n');
  expect(shown).toContain('A run may take 100 steps, 1 h 0 min and $5.00.\n');

  expect((await call('try', 'ask-before-changes', 'git log "-3"')).out).toBe(
    'allow: git log "-3"\n  runs as git log -3\n' +
      '  rule 7 of ask-before-changes (allow execute: reading commands): it only reads\n',
  );
  expect((await call('try', 'accept-edits', '--write', 'src/a.ts')).out).toMatch(/^allow: src\/a\.ts\n/);
  expect((await call('try', 'accept-edits', '--fetch', 'example.org')).out).toMatch(/^ask: example\.org\n/);
  expect((await call('try', 'accept-edits', 'rm a', '--no-attended')).out).toMatch(
    /^deny: rm a\n.*nobody is there to ask\n$/s,
  );

  const file = path.join(folder, 'shop.policy.yaml');
  expect(await call('customise', 'accept-edits', 'shop')).toMatchObject({ code: 0, out: `${file}\n` });
  const copied = await readFile(file, 'utf8');
  expect(copied).toMatch(/^id: shop$/m);
  expect((await call('apply', file, '--project', '/srv/shop')).out).toBe(
    'shop applies to runs in /srv/shop.\n',
  );
  await writeFile(file, copied.replace(/^name: .*$/m, 'name: Shop'));
  expect(await call('apply', file, '--everywhere')).toEqual({
    ...{ code: 0, out: 'shop applies to all runs.\n' },
    err: 'Saved shop, version 2.\n',
  });
  expect((await call('list')).out).toMatch(/\nshop +2 +own +- +everywhere, \/srv\/shop\n/);
  expect((await call('apply', 'none', '--everywhere')).out).toBe('No policy applies to all runs any more.\n');
  expect((await call()).out).toMatch(/\nshop +2 +own +- +\/srv\/shop\n/);

  await writeFile(file, copied.replace(/^mode: .*$/m, 'mode: none'));
  const wrong = [
    await call('show', 'none-such'),
    await call('try', 'accept-edits'),
    await call('try', 'accept-edits', 'ls', '--read', 'a'),
    await call('customise', 'accept-edits', 'shop'),
    await call('customise', 'accept-edits', 'Not A Name'),
    await call('apply', 'accept-edits'),
    await call('apply', 'none-such', '--everywhere'),
    await call('apply', 'missing.yaml', '--everywhere'),
    await call('apply', file, '--everywhere'),
  ];
  expect(wrong.map(({ code, out }) => [code > 0, out])).toEqual(wrong.map(() => [true, '']));
  expect(wrong.map(({ err }) => err.trimEnd().split('\n').length)).toEqual(wrong.map(() => 1));
  expect(wrong.at(-1)?.err).toMatch(/Line \d+: mode: /);
});

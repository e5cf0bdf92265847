import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openBench } from './tool-bench.ts';

describe('list, glob and grep', () => {
  test('list marks what is no file', async () => {
    const { project, call } = await openBench();
    mkdirSync(path.join(project, 'folder'));
    writeFileSync(path.join(project, '.env'), '');
    symlinkSync('folder', path.join(project, 'link'));
    expect([
      await call('list', { path: '.' }),
      await call('list', { path: 'link' }),
      await call('list', { path: 'no' }),
    ]).toEqual([
      { ok: true, output: '.env\nfolder/\nlink (link)' },
      { ok: true, output: '`link` is empty.' },
      { ok: false, output: 'There is no directory `no`.' },
    ]);
  });

  test('glob finds hidden files, leaves quiet directories alone unless named, and enters no link', async () => {
    const { project, call } = await openBench();
    for (const name of ['a.ts', '.hidden/b.ts', 'x/y/c.tsx', 'node_modules/m/d.ts', '.git/e.ts']) {
      mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
      writeFileSync(path.join(project, name), '');
    }
    symlinkSync('/etc', path.join(project, 'etc'));
    symlinkSync('x', path.join(project, 'again'));
    const glob = async (pattern: string) => (await call('glob', { pattern })).output.split('\n');
    expect([
      await glob('**/*.{ts,tsx}'),
      await glob('*.ts'),
      await glob(`${project}/x/**`),
      await glob('node_modules/**/*.ts'),
      await glob('etc/*'),
      await glob('a*'),
    ]).toEqual([
      ['.hidden/b.ts', 'a.ts', 'x/y/c.tsx'],
      ['a.ts'],
      ['x/y/c.tsx'],
      ['node_modules/m/d.ts'],
      ['No file matches `etc/*`.'],
      ['a.ts', 'again'],
    ]);
  });

  test('glob does not leave the project, and patterns made to explode are over at once', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'a'.repeat(60)), '');
    const outside = await Promise.all(
      ['../*', '/etc/*', 'x/../../*', '{..,x}/*'].map((pattern) => call('glob', { pattern })),
    );
    expect(new Set(outside.map((result) => result.ok))).toEqual(new Set([false]));
    for (const pattern of [
      '{1..1000000}'.repeat(5),
      '*(*(*(a|b)))c'.repeat(9),
      `${'**/'.repeat(200)}x`,
      '(a+)+$',
      '[',
      '{',
    ]) {
      expect((await call('glob', { pattern })).ok).toBe(true);
    }
  });

  test('glob and grep stop at a bound and say so', async () => {
    const { project, call } = await openBench();
    for (let index = 0; index < 1001; index += 1) writeFileSync(path.join(project, `f${index}`), 'needle\n');
    const globbed = (await call('glob', { pattern: '*' })).output.split('\n');
    const grepped = (await call('grep', { pattern: 'needle' })).output.split('\n');
    expect([globbed.length, globbed.at(-1), grepped.length, grepped.at(-1)]).toEqual([
      1001,
      '[there are more; use a narrower pattern]',
      501,
      '[only the first 500 lines; use a narrower pattern]',
    ]);
  });

  test('grep answers path, line and text, and takes a pattern for a pattern whatever it looks like', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'f'), 'a $(touch pwned) b\n--files\n');
    expect([
      await call('grep', { pattern: '\\$\\(touch pwned\\)' }),
      await call('grep', { pattern: '--files', path: 'f' }),
      await call('grep', { pattern: 'none' }),
      await call('grep', { pattern: 'x', path: '../' }),
      (await call('grep', { pattern: '(' })).ok,
    ]).toEqual([
      { ok: true, output: 'f:1:a $(touch pwned) b' },
      { ok: true, output: 'f:2:--files' },
      { ok: true, output: 'Nothing below `.` matches.' },
      { ok: false, output: '`../` leads outside the project directory; use a path inside it.' },
      false,
    ]);
    expect(readdirSync(project)).toEqual(['f']);
  });

  test('whatever paths a model makes up, nothing throws and nothing outside is touched', async () => {
    const { project, call } = await openBench();
    mkdirSync(path.join(project, 'inside'));
    symlinkSync('../..', path.join(project, 'inside/up'));
    const segment = fc.constantFrom(
      '..',
      '.',
      '',
      'inside',
      'up',
      '/',
      'etc',
      '~',
      'x',
      '%2e%2e',
      'a\nb',
      ' ',
    );
    const paths = fc
      .array(segment, { minLength: 1, maxLength: 6 })
      .map((segments) => segments.join('/') || '.');
    await fc.assert(
      fc.asyncProperty(paths, async (name) => {
        await call('read', { path: name });
        await call('write', { path: name, content: 'x' });
        await call('list', { path: name });
        await call('grep', { pattern: 'x', path: name });
      }),
      { numRuns: 100 },
    );
    expect(readdirSync(path.dirname(project))).toEqual(['project']);
  });

  test('a file the user may not read is an answer', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'f'), 'x');
    chmodSync(path.join(project, 'f'), 0);
    const result = await call('read', { path: 'f' });
    // The superuser may read everything.
    expect(result).toEqual(
      process.getuid?.() === 0
        ? { ok: true, output: 'x' }
        : { ok: false, output: '`f` may not be opened by the user Perdure runs as.' },
    );
  });
});

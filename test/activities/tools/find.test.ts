import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openBench } from './tool-bench.ts';

function put(folder: string, files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
}

describe('list, glob and grep', () => {
  test('list marks what is no file', async () => {
    const { project, call } = await openBench();
    mkdirSync(path.join(project, 'folder'));
    writeFileSync(path.join(project, '.env'), '');
    symlinkSync('folder', path.join(project, 'link'));
    expect([
      await call('list', {}),
      await call('list', { path: 'link' }),
      await call('list', { path: 'no' }),
    ]).toEqual([
      { ok: true, output: '.env\nfolder/\nlink (link)' },
      { ok: true, output: '`link` is empty.' },
      { ok: false, output: 'There is no directory `no`.' },
    ]);
  });

  test('a project that is the top of its own repository is searched by the rules of that', async () => {
    const { project, call } = await openBench();
    put(project, {
      '.git/info/exclude': 'notes\n',
      '.gitignore': 'dist/\n',
      'src/a.ts': 'found\n',
      notes: 'found\n',
      'dist/a.js': 'found\n',
    });
    expect([
      (await call('grep', { pattern: 'found', path: '.' })).output,
      (await call('grep', { pattern: 'found', path: 'src/a.ts' })).output,
      (await call('glob', { pattern: '**/*' })).output,
    ]).toEqual([
      expect.stringMatching(/^src\/a\.ts:1:found/),
      expect.stringMatching(/^src\/a\.ts:1:found/),
      expect.stringMatching(/src\/a\.ts/),
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
      ['.hidden/b.ts', 'a.ts', 'x/y/c.tsx', '[left out: node_modules; name one in the pattern to search it]'],
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

  test('glob and grep leave out what the repository around the project ignores, and dependencies', async () => {
    const { project, call } = await openBench();
    // The project is a folder of a larger repository.
    const top = path.dirname(project);
    put(top, {
      '.git/info/exclude': 'excluded.ts\n',
      '.gitignore': 'ignored/\n/project/rooted.ts\n*.log.ts\n',
    });
    put(project, {
      '.gitignore': '!kept.log.ts\n/local/\n',
      '.ignore': 'unseen.ts\n',
      'src/.gitignore': 'deep.ts\n',
    });
    const names = ['a.ts', 'src/b.ts', 'kept.log.ts', 'src/local/c.ts'];
    const left = [
      'excluded.ts',
      'ignored/x.ts',
      'rooted.ts',
      'src/ignored/x.ts',
      'x.log.ts',
      'local/x.ts',
      'unseen.ts',
      'src/deep.ts',
      '.venv/lib/x.ts',
      'src/node_modules/x.ts',
    ];
    put(project, Object.fromEntries([...names, ...left].map((name) => [name, 'needle\n'])));
    const note = (how: string) => `[left out: .venv${how}`;
    const ask = async (tool: string, input: object) => (await call(tool, input)).output.split('\n');
    expect({
      glob: await ask('glob', { pattern: '**/*.ts' }),
      grep: await ask('grep', { pattern: 'needle' }),
      below: await ask('grep', { pattern: 'needle', path: 'src' }),
      meant: await ask('glob', { pattern: 'ignored/*' }),
      'a dependency': await ask('glob', { pattern: '.venv/**/*.ts' }),
      'searched there': await ask('grep', { pattern: 'needle', path: 'ignored' }),
      'a file by name': await ask('glob', { pattern: 'unseen.ts' }),
    }).toEqual({
      glob: [...names.toSorted(), '[left out: .venv, node_modules; name one in the pattern to search it]'],
      grep: [
        ...names.toSorted().map((name) => `${name}:1:needle`),
        note('; give it as `path` to search it]'),
      ],
      below: [
        'src/b.ts:1:needle',
        'src/local/c.ts:1:needle',
        '[left out: node_modules; give it as `path` to search it]',
      ],
      meant: ['ignored/x.ts'],
      'a dependency': ['.venv/lib/x.ts'],
      'searched there': ['ignored/x.ts:1:needle'],
      'a file by name': ['unseen.ts', '[the project ignores these; nothing else matches]'],
    });
  });

  test('a project that the repository around it ignores is looked at by its own rules', async () => {
    const { project, call } = await openBench();
    put(path.dirname(project), { '.git/HEAD': '', '.gitignore': '*\n' });
    put(project, { '.gitignore': 'out\n', out: 'needle\n', y: 'needle\n' });
    expect([
      (await call('grep', { pattern: 'needle' })).output,
      (await call('glob', { pattern: '[oy]*' })).output,
    ]).toEqual(['y:1:needle', 'y']);
  });

  test('a folder that ignores itself is searched when it is asked for, and ignore files of somebody else are not', async () => {
    const { project, call } = await openBench();
    put(path.dirname(project), { '.gitignore': '*\n' });
    put(project, { 'cache/.gitignore': '*\n', 'cache/x': 'needle\n', y: 'needle\n' });
    const said = '[the project ignores these; nothing else matches]';
    const outputs = [
      await call('grep', { pattern: 'needle' }),
      await call('grep', { pattern: 'needle', path: 'cache' }),
      await call('glob', { pattern: '*' }),
      await call('glob', { pattern: 'cache/*' }),
    ].map(({ output }) => output);
    expect(outputs).toEqual([
      'y:1:needle',
      `cache/x:1:needle${'\n'}[the project ignores these files; nothing else matches]`,
      'y',
      `cache/.gitignore${'\n'}cache/x${'\n'}${said}`,
    ]);
  });

  test('glob takes brackets for a name where such a name is there', async () => {
    const { project, call } = await openBench();
    put(project, {
      'app/[id]/page.tsx': '',
      'app/[...all]/page.tsx': '',
      'app/(group)/x.tsx': '',
      'app/i/page.tsx': '',
    });
    const glob = async (pattern: string) => (await call('glob', { pattern })).output.split('\n');
    expect([
      await glob('app/[id]/page.tsx'),
      await glob('app/[...all]/*'),
      await glob('app/(group)/*.tsx'),
    ]).toEqual([['app/[id]/page.tsx', 'app/i/page.tsx'], ['app/[...all]/page.tsx'], ['app/(group)/x.tsx']]);
  });

  test('grep shows a long line around its match, however long it is', async () => {
    const { project, call } = await openBench();
    put(project, {
      a: `${'é'.repeat(50_000)}needle${'b'.repeat(50_000)}\r\n`,
      b: `short\n${'x'.repeat(5_000_000)}needle\n`,
    });
    const lines = (await call('grep', { pattern: 'needle' })).output.split('\n');
    expect([lines[0], lines[1]]).toEqual([
      expect.stringMatching(/^a:1:…é{120,126}needleb{240,250}…$/),
      'b:2:[a line of megabytes, not shown]',
    ]);
  });

  test('a name meets a file whose name is the same text in the other normal form, unless two are there', async () => {
    const { project, call } = await openBench();
    const [one, two] = ['caf\u00e9', 'cafe\u0301'];
    put(project, { [`${two}/${two}.md`]: 'text\n' });
    const name = `${one}/${one}.md`;
    expect([
      await call('read', { path: name }),
      await call('edit', { path: name, old: 'text', new: 'new' }),
      await call('glob', { pattern: `${one}/*` }),
      await call('grep', { pattern: 'new', path: one }),
      await call('write', { path: `${one}/b`, content: 'b' }),
    ]).toEqual([
      { ok: true, output: 'text\n' },
      { ok: true, output: `Edited \`${name}\` at line 1.` },
      { ok: true, output: `${two}/${two}.md` },
      { ok: true, output: `${one}/${two}.md:1:new` },
      { ok: true, output: `Wrote the new file \`${one}/b\` (1 bytes).` },
    ]);
    expect(readdirSync(project)).toEqual([two]);
    // Composed and decomposed in one name, three ways.
    put(project, { [`x${one}${two}`]: '1', [`x${two}${one}`]: '2' });
    expect((await call('read', { path: `x${one}${one}` })).ok).toBe(false);
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

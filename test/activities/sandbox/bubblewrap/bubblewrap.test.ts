import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { findShell } from '../../../../activities/sandbox/group/shell.ts';
import type { SandboxNeeds } from '../../../../activities/sandbox/index.ts';
import { sandboxConformance } from '../conformance.ts';
import { openInFolder, run } from '../opened.ts';

const needs = (): Pick<SandboxNeeds, 'programs' | 'gitBounds'> => ({
  programs: '/usr/local/bin:/usr/bin:/bin',
  gitBounds: async () => ({}),
});

sandboxConformance('bubblewrap', () => openInFolder(createBubblewrap, needs));

/** Of all processes of a call: names of those that have a variable, of those without, and command lines with its value. */
function processesOf(call: string, name: string, value: string) {
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return '';
    }
  };
  const rows = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => ({
      program: read(pid, 'comm').trim(),
      has: read(pid, 'environ'),
      line: read(pid, 'cmdline'),
    }));
  const marked = rows.filter(({ has }) => has.includes(`PERDURE_CALL=${call}\0`));
  const programs = (some: typeof rows): string[] => [...new Set(some.map(({ program }) => program))].sort();
  return {
    with: programs(marked.filter(({ has }) => has.includes(`\0${name}=`))),
    without: programs(marked.filter(({ has }) => !has.includes(`\0${name}=`))),
    lines: rows.filter(({ line }) => line.includes(value)).map(({ line }) => line),
  };
}

test('only the command has its variables: nothing that starts it, and no command line', async () => {
  const value = `it's a "value"\nof $two lines`;
  const opened = await openInFolder(createBubblewrap, () => ({ ...needs(), variables: { FOO: value } }));
  onTestFinished(() => opened.dispose());
  const [up, go] = ['up', 'go'].map((name) => path.join(opened.project, name)) as [string, string];
  const command = 'printf %s "$FOO" >up; until [ -e go ]; do :; done';
  const running = run(opened.sandbox, command, undefined, undefined, 'variables/1.0');
  await expect.poll(() => existsSync(up) && readFileSync(up, 'utf8')).toBeTruthy();
  const found = processesOf('variables/1.0', 'FOO', value);
  writeFileSync(go, '');
  await running;
  expect([readFileSync(up, 'utf8'), found]).toEqual([
    value,
    { with: [path.basename(findShell())], without: ['bwrap', 'sh'], lines: [] },
  ]);
});

test('a command has no right of root, may gain none, is held by a filter of calls and leaves no image of memory', async () => {
  const opened = await openInFolder(createBubblewrap, needs);
  onTestFinished(() => opened.dispose());
  const { stdout } = await run(
    opened.sandbox,
    'grep -E "^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\\t"; ulimit -Hc; ulimit -u',
  );
  const none = '0'.repeat(16);
  expect(stdout.trim().split('\n')).toEqual([
    ...[`CapPrm:${none}`, `CapEff:${none}`, `CapBnd:${none}`, 'NoNewPrivs:1', 'Seccomp:2'],
    ...['0', '1000'],
  ]);
});

test('a folder of ours is empty for commands below the system’s programs, and hides folders of programs that hold it', async () => {
  const opened = await openInFolder(createBubblewrap, (folder) => ({
    ...{ ...needs(), programs: `${folder}/tools:${needs().programs}` },
    hidden: [`${folder}/tools/data`, '/usr/share'],
  }));
  onTestFinished(() => opened.dispose());
  const tools = path.join(opened.project, '../tools');
  mkdirSync(path.join(tools, 'data'), { recursive: true });
  writeFileSync(path.join(tools, 'data/token'), 'token');
  const { stdout } = await run(
    opened.sandbox,
    `ls -A /usr/share ${tools} 2>&1; cat ${tools}/data/token; true`,
  );
  expect(stdout).toBe(`ls: cannot access '${tools}': No such file or directory\n/usr/share:\n`);
});

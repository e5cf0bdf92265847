// What holds for every command: help is no error, wrong use is one sentence and code 2, and so is each kind of missing
// server. The commands are found in the help, so that a new one is held to it too.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import processSide from '../../../api/cli/process-side.json' with { type: 'json' };
import { cellsOf } from '../../../api/cli/terminal/cells.ts';
import { perdure, startApi } from './captured.ts';

const nothing = 'http://127.0.0.1:9';

/** Arguments that are well-formed for commands that need some. */
const needed: Record<string, string[]> = {
  run: ['say hello', '--detach'],
  fork: ['9b1fe2c4', 'And with integers?'],
  regenerate: [],
  watch: ['9b1fe2c4'],
  show: ['last'],
  ask: ['last', 'And?'],
  mailbox: ['9b1fe2c4'],
  fire: ['last'],
  steer: ['9b1fe2c4', 'text'],
  interrupt: ['last'],
  cancel: ['9b1fe2c4'],
  allowances: [],
  approve: ['9b1fe2c4'],
  deny: ['last'],
  delete: ['run', '9b1fe2c4'],
  checkpoints: ['last'],
  context: ['last'],
  rewind: ['9b1fe2c4', '3'],
  undo: [],
  apply: ['last'],
  diff: ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  settle: ['9b1fe2c4', '1.0', 'done'],
  'models set': ['scripted/hello'],
  'models unset': ['scripted/hello'],
  'presets show': ['x'],
  'presets save': ['x'],
  'presets delete': ['x'],
  'presets import': [path.join(import.meta.dirname, '../../../docker-compose.yml')],
  'presets export': ['x'],
  'workspaces add': ['shop', '/srv/shop', '/srv/library'],
  'workspaces show': ['shop'],
  'workspaces set': ['shop', '--name', 'The shop'],
  'workspaces remove': ['shop'],
  'webhooks add': ['https://example.org/hook'],
  'webhooks show': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks test': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks rotate': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks deliveries': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks redeliver': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks enable': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks disable': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'webhooks remove': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'memory add': ['It is late.', '--preset', 'x'],
  'memory delete': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'conversations turns': ['9b1fe2c4'],
  'conversations change': ['9b1fe2c4', '--archive'],
  'policies show': ['x'],
  'policies try': ['x', 'ls'],
  'policies customise': ['x', 'y'],
  'policies apply': ['x', '--everywhere'],
  'dead-letters retry': ['9b1fe2c4'],
  'dead-letters drop': ['last'],
  'schedule add': ['nightly', 'Go.', '--every', '60', '--project', 'none'],
  'schedule next': ['--every', '60'],
  'schedule run': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'schedule history': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'schedule enable': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'schedule disable': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'schedule delete': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
  'task add': ['Mend it', 'Go.', '--project', 'none'],
  'task show': ['last'],
  'task logs': ['9b1fe2c4'],
  'task cancel': ['last'],
  'tokens create': ['ci'],
  'tokens revoke': ['0193d5a4-55d0-7a11-8c3f-90b4a7c1de02'],
};
// Carried out by the process side; test/worker/commands.test.ts has them as processes.
// They look at no server: a chat without a terminal is refused before that.
const ofThisMachine = ['install-command', 'chat'];
// `api` and `worker` are for compose files; help does not list them.
const ofProcessSide = processSide.filter((name) => !['api', 'worker'].includes(name));

async function helpOf(...words: string[]): Promise<string> {
  const called = perdure([...words, '--help']);
  expect([words, await called.code, called.err()]).toEqual([words, 0, '']);
  return called.out();
}

/** Each command with its words, found by its line in the help of what is above it. */
async function commandsBelow(...words: string[]): Promise<string[][]> {
  const [, listed = ''] = (await helpOf(...words)).split('\nCommands:\n');
  const names = [...listed.split('\n\n')[0]!.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name ?? '');
  const below = await Promise.all(
    names.filter((name) => name !== 'help').map((name) => commandsBelow(...words, name)),
  );
  return [...(words.length > 0 ? [words] : []), ...below.flat()];
}

const commands = await commandsBelow();
const here = commands.filter((words) => !ofProcessSide.includes(words.join(' ')));
const client = here.filter((words) => !ofThisMachine.includes(words.join(' ')));

async function ends(
  args: string[],
  environment: Record<string, string>,
): Promise<{ args: string[]; code: number; out: string; lines: number; stack: boolean }> {
  const called = perdure(args, { environment });
  const code = await called.code;
  const err = called.err();
  return {
    args,
    code,
    out: called.out(),
    lines: err.trimEnd().split('\n').length,
    stack: /\n\s+at /.test(err),
  };
}

test('the commands are all here', () => {
  expect(commands.map((words) => words.join(' '))).toEqual(
    expect.arrayContaining([
      ...ofProcessSide,
      ...ofThisMachine,
      'run',
      'watch',
      'status',
      'dead-letters retry',
      'tokens create',
    ]),
  );
});

test('the help of each command has an example of it', async () => {
  for (const words of [...commands, ['help']]) {
    const help = await helpOf(...words);
    expect([words, help.split('\nExample:\n')[1]]).toEqual([
      words,
      expect.stringMatching(new RegExp(`^ {2}perdure ${words.join(' ')}`)),
    ]);
  }
});

test('without a word there is a short help, and --version says which code this is', async () => {
  const alone = perdure([]);
  expect([await alone.code, alone.err()]).toEqual([0, '']);
  expect(alone.out()).toContain('\n  perdure run "What to do" ');
  const checkout = await mkdtemp(path.join(tmpdir(), 'perdure-version-'));
  onTestFinished(() => rm(checkout, { recursive: true }));
  await writeFile(path.join(checkout, 'package.json'), '{"version":"1.2.3"}');
  const versionOf = async (installFolder: string): Promise<string> => {
    const version = perdure(['--version'], {
      installFolder,
      environment: process.env as Record<string, string>,
    });
    expect([await version.code, version.err()]).toEqual([0, '']);
    return version.out();
  };
  const git = (...words: string[]): string =>
    execFileSync('git', ['-C', checkout, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...words], {
      encoding: 'utf8',
    });
  expect(await versionOf(checkout)).toBe('perdure 1.2.3\n');
  git('init', '-q');
  git('commit', '-q', '--allow-empty', '-m', 'start');
  expect(await versionOf(checkout)).toBe(`perdure 1.2.3 (${git('rev-parse', 'HEAD').slice(0, 12)})\n`);
});

test('the help of all commands has the table of exit codes', async () => {
  expect(await helpOf()).toContain('  130  left with Ctrl-C; the run goes on\n');
  const asked = perdure(['help', 'tokens', 'create']);
  expect([await asked.code, asked.out()]).toEqual([0, await helpOf('tokens', 'create')]);
});

test('help keeps to the terminal, whatever its width, and breaks between words', async () => {
  for (const columns of [50, 80]) {
    for (const words of [...here, []]) {
      const help = perdure([...words, '--help'], { isTerminal: true, columns });
      expect(await help.code).toBe(0);
      const wide = help
        .out()
        .split('\n')
        .filter((line) => cellsOf(line) > columns && /\S \S/.test(line));
      expect([words, columns, wide]).toEqual([words, columns, []]);
    }
  }
});

test('an unknown command, option or argument is one sentence and code 2', async () => {
  const unknown = [['nonsense'], ['--nonsense'], ['help', 'nonsense'], ['help', 'tokens', 'nonsense']];
  const wrong = here.map((words) => [...words, ...(needed[words.join(' ')] ?? []), '--nonsense']);
  for (const args of [...unknown, ...wrong])
    expect(await ends(args, {})).toEqual({ args, code: 2, out: '', lines: 1, stack: false });
});

test('a command that a group does not have is named, with those that it has', async () => {
  const called = perdure(['webhooks', 'nonsense', 'x']);
  expect([await called.code, called.out(), called.err().trimEnd()]).toEqual([
    2,
    '',
    'error: there is no perdure webhooks nonsense; there are: list, add, show, test, rotate, deliveries, redeliver, enable, disable, remove',
  ]);
});

test('a malformed address or token is one sentence and code 2, and is not sent anywhere', async () => {
  const cases: Record<string, string>[] = [
    { PERDURE_URL: 'nonsense' },
    { PERDURE_URL: 'ftp://here' },
    { PERDURE_URL: 'http://user:pass@127.0.0.1:9' },
    { PERDURE_URL: 'http://127.0.0.1:9/?x' },
    { PERDURE_URL: 'http://127.0.0.1:99999' },
    { PERDURE_URL: nothing, PERDURE_TOKEN: 'two words' },
    { PERDURE_URL: nothing, PERDURE_TOKEN: 'one\ntwo' },
    { PERDURE_URL: nothing, PERDURE_TOKEN: 'ü' },
  ];
  for (const words of client) {
    for (const environment of cases) {
      const args = [...words, ...(needed[words.join(' ')] ?? [])];
      expect(await ends(args, environment)).toEqual({ args, code: 2, out: '', lines: 1, stack: false });
    }
  }
});

test('a server that is not there is one sentence and code 6', async () => {
  const environment = { PERDURE_URL: nothing, PERDURE_TOKEN: 'pdr_x' };
  const all = client.map((words) => [...words, ...(needed[words.join(' ')] ?? [])]);
  const ended = await Promise.all(all.map((args) => ends(args, environment)));
  expect(ended).toEqual(all.map((args) => ({ args, code: 6, out: '', lines: 1, stack: false })));
});

test('a wrong token is refused with a sentence and what to do', async () => {
  const embedded = {
    processes: async () => ({ embedded: true, items: [], temporalUi: null }),
    kill: async () => {},
    copyDemo: async () => '/demo/1',
  };
  const { url } = await startApi({ embedded });
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: 'pdr_wrong' };
  for (const words of client) {
    const args = [...words, ...(needed[words.join(' ')] ?? [])];
    expect(await ends(args, environment)).toEqual({ args, code: 1, out: '', lines: 2, stack: false });
  }
});

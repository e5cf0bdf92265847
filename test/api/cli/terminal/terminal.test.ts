// The prompt on a real terminal, which `script` of util-linux opens: keys arrive as keys, and afterwards the terminal
// is what it was before.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startApi } from '../captured.ts';
import { seen } from '../screen.ts';
import { asks, waitingRun } from '../waiting.ts';

const main = path.join(import.meta.dirname, '../../../../api/cli/main.ts');
const canOpenTerminals = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false;

interface Terminal {
  out(): string;
  type(keys: string): void;
  /** To the command line alone. */
  kill(signal: NodeJS.Signals): void;
  /** Its exit code, and the settings of its terminal before it and after it. */
  ended(): Promise<{ code: string | undefined; before: string | undefined; after: string | undefined }>;
}

/** The command line in a terminal of its own; the shell there says how it finds that terminal. */
function inTerminal(args: string[], environment: Record<string, string>): Terminal {
  const words = [process.execPath, main, ...args].join(' ');
  const commands = [
    'stty cols 80 rows 24',
    'echo "before $(stty -g)"',
    `sh -c 'echo "pid $$"; exec ${words}'`,
    // What was there may end in control sequences.
    'code=$?; echo; echo "code $code"',
    'echo "after $(stty -g)"',
  ];
  const child = spawn('script', ['-qfc', commands.join('; '), '/dev/null'], {
    env: { PATH: process.env.PATH ?? '', SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '1', ...environment },
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await closed;
  });
  const said = (name: string): string | undefined => new RegExp(`^${name} (\\S+)`, 'm').exec(out)?.[1];
  return {
    out: () => out,
    type: (keys) => void child.stdin.write(keys),
    kill: (signal) => void process.kill(Number(said('pid')), signal),
    async ended() {
      await closed;
      return { code: said('code'), before: said('before'), after: said('after') };
    },
  };
}

async function expectSane(terminal: Terminal, code: number): Promise<void> {
  const { before, ...rest } = await terminal.ended();
  expect(before).toMatch(/^[0-9a-f:]+$/);
  expect(rest).toEqual({ code: String(code), after: before });
}

test.skipIf(!canOpenTerminals)('a key answers, and the terminal is left as it was', async () => {
  const { api, environment } = await startApi();
  const run = await waitingRun(api, [asks('make')]);
  const terminal = inTerminal(['watch', run.id], environment);
  await seen(terminal, 'allow it? ');
  terminal.type('y\r');
  await seen(terminal, '— approved by first (cli)');
  await run.store.end(run.row);
  await expectSane(terminal, 0);
});

test.skipIf(!canOpenTerminals)('so it is after an answer from elsewhere and a Ctrl-C', async () => {
  const { api, environment } = await startApi();
  const run = await waitingRun(api, [asks('make'), asks('make install')]);
  const terminal = inTerminal(['watch', run.id], environment);
  await seen(terminal, 'allow it? ');
  await api.ask('POST', `/approvals/${run.approvals[0]?.id}/deny`, {});
  await seen(terminal, '— denied by first (api)');
  await seen(terminal, '  │ make install');
  await seen(terminal, 'allow it? ');
  terminal.type('\u0003');
  await expectSane(terminal, 130);
});

test.skipIf(!canOpenTerminals)('so it is when the command line is told to end at the question', async () => {
  const { api, environment } = await startApi();
  const run = await waitingRun(api, [asks('make')]);
  const terminal = inTerminal(['watch', run.id], environment);
  await seen(terminal, 'allow it? ');
  terminal.kill('SIGTERM');
  await expectSane(terminal, 143);
});

test.skipIf(!canOpenTerminals)('so it is after a chat, whose lines stay below what is written', async () => {
  const { environment } = await startApi();
  const terminal = inTerminal(['chat', '--project', 'none'], environment);
  await seen(terminal, '› ');
  terminal.type('half a line');
  await seen(terminal, '› half a line');
  terminal.type('\u0003');
  terminal.type('/cost\r');
  await seen(terminal, '0 runs');
  terminal.type('\u0004');
  await expectSane(terminal, 0);
});

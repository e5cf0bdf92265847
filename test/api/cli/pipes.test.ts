// The command line with readers that are slow, gone, or a full disk: real processes behind real pipes. Whatever becomes of
// the output, the exit code is that of the outcome. All of one run, which was cancelled: nothing else ends with 5.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { appendTexts, endOfRun, startRun } from '../stream/streams.ts';
import { startApi } from './captured.ts';

const main = path.join(import.meta.dirname, '../../../api/cli/main.ts');

function start(command: string, args: string[], environment: Record<string, string>): ChildProcess {
  const env = { PATH: process.env.PATH ?? '', ...environment };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

async function ended(child: ChildProcess): Promise<{ code: number | null; err: string }> {
  let err = '';
  child.stderr?.on('data', (chunk) => (err += chunk));
  child.stdout?.resume();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, err };
}

const full = 'perdure: the output cannot be written any more (ENOSPC); the work goes on.\n';
const gone = 'perdure: The directory this is called in is gone: change to another one.\n';
const refused =
  'perdure: "nonsense" is no id: give it as it is printed, four or more of its first letters, or last.\n';

test('the exit code is that of the outcome, whoever reads', async () => {
  const { api, environment } = await startApi();
  const run = await startRun(api);
  // More than a pipe takes at once.
  await appendTexts(api, run, 1_000, 1_000);
  await endOfRun(api, run, 'cancelled');
  const perdure = `perdure() { "${process.execPath}" "${main}" "$@"; }; run=${run.id}`;
  const cases: [line: string, code: number, err: string][] = [
    ['perdure watch $run | head -1; exit ${PIPESTATUS[0]}', 5, ''],
    ['perdure watch $run --json 2>&1 | true; exit ${PIPESTATUS[0]}', 5, ''],
    ['perdure watch $run | (sleep 1; cat >/dev/null); exit ${PIPESTATUS[0]}', 5, ''],
    ['perdure watch $run >&- 2>&-', 5, ''],
    ['perdure watch $run >/dev/full', 5, full],
    ['perdure watch $run >/dev/full 2>/dev/full', 5, ''],
    ['perdure watch nonsense 2>/dev/full', 2, ''],
    ['folder=$(mktemp -d); cd $folder; rmdir $folder; perdure runs', 2, gone],
    ['perdure watch nonsense >/dev/full', 2, refused],
    [
      'perdure tokens create lost >/dev/full',
      1,
      `${full}perdure: The value could not be written, so the token is revoked again; make another.\n`,
    ],
  ];
  const all = await Promise.all(
    cases.map(async ([line]) => ({
      line,
      ...(await ended(start('bash', ['-c', `${perdure}; ${line}`], environment))),
    })),
  );
  expect(all).toEqual(
    cases.map(([line, code, err]) => ({
      line,
      code,
      err,
    })),
  );
  const { items } = (await api.ask('GET', '/tokens?all=true')).json<{
    items: { name: string; state: string }[];
  }>();
  expect(items.find(({ name }) => name === 'lost')?.state).toBe('revoked');
});

test('run goes on without its reader, hears of no SIGPIPE, and is interrupted by Ctrl-C', async () => {
  const { api, environment } = await startApi();
  const child = start(process.execPath, [main, 'run', 'work'], environment);
  let err = '';
  child.stderr?.on('data', (chunk) => (err += chunk));
  await once(child.stdout!, 'data');
  child.stdout?.destroy();
  const { items } = (await api.ask('GET', '/runs')).json<{
    items: { id: string; conversationId: string }[];
  }>();
  await appendTexts(api, items[0] as Parameters<typeof appendTexts>[1], 20);
  child.kill('SIGPIPE');
  // That it writes into nothing shows nowhere.
  await sleep(500);
  expect(child.exitCode).toBeNull();
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  expect([code, err]).toEqual([4, '']);
});

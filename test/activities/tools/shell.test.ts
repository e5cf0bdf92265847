import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Sandbox, SandboxRefusal } from '../../../activities/sandbox/sandbox.ts';
import { openBench } from './tool-bench.ts';

/** Which of the commands that were started still live. */
const alive = (bench: Awaited<ReturnType<typeof openBench>>) => Promise.all(bench.handles.map(bench.isAlive));

const live = (text: string): string => text.replace(/\[.*\]$/, '').trim();

describe('shell', () => {
  test('answers output and exit code, shows it live, and records its handle first', async () => {
    const bench = await openBench();
    const result = await bench.call('shell', { command: 'echo out; echo err >&2; exit 7' });
    expect(result.ok).toBe(false);
    expect(result.output.split('\n').sort()).toEqual(['[exit code 7]', 'err', 'out']);
    expect(bench.live.join('').split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(await alive(bench)).toEqual([false]);
    expect(await bench.call('shell', { command: 'true' })).toEqual({ ok: true, output: '[exit code 0]' });
  });

  test('a command over its time is stopped and keeps what it said', async () => {
    const { call, live: shown } = await openBench();
    // Its time goes on when it has spoken: how soon that is says nothing.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const calling = call('shell', { command: 'echo part; sleep 600', timeoutSeconds: 1 });
    while (shown.join('') !== 'part\n') await sleep(10);
    vi.advanceTimersByTime(1_000);
    expect(await calling).toEqual({
      ok: false,
      output: 'part\n[stopped after 1 seconds; give a longer timeoutSeconds, or use background]',
    });
  });

  test('a call that is stopped ends its command and throws the reason', async () => {
    const bench = await openBench();
    const { call, context } = bench;
    const stop = new AbortController();
    const given = context('1.0', stop.signal);
    const running = call(
      'shell',
      { command: 'sleep 600' },
      {
        ...given,
        async recordHandle(handle) {
          await given.recordHandle(handle);
          setTimeout(() => stop.abort(new Error('the run was interrupted')), 50);
        },
      },
    );
    await expect(running).rejects.toThrow('the run was interrupted');
    expect(await alive(bench)).toEqual([false]);
  });

  test('a command that still waits to start in the background is given up with its call', async () => {
    const { call, context } = await openBench();
    const stop = new AbortController();
    const given = context('1.0', stop.signal);
    // As where no sandbox is free.
    const exec: Sandbox['exec'] = ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        setTimeout(() => stop.abort(new Error('the run was interrupted')), 20);
      });
    const waiting = { ...given, sandbox: { ...given.sandbox, exec } };
    await expect(call('shell', { command: 'true', background: true }, waiting)).rejects.toThrow(
      'the run was interrupted',
    );
  });

  test('output of any size and shape comes back bounded and storable', async () => {
    const { call, live: shown } = await openBench();
    const { output } = await call('shell', {
      command: "printf '\\377\\000\\033[1m€'; seq 1500000; printf end",
    });
    expect([output.slice(0, 10), output.includes('\0'), output.isWellFormed()]).toEqual([
      '\ufffd␀€1\n2\n3\n4',
      false,
      true,
    ]);
    expect(output).toMatch(/\n1500000\nend\n\[exit code 0\]$/);
    expect(output).toMatch(/bytes left out here/);
    expect(output.length).toBeLessThan(8 * 1024 * 1024 + 200);
    expect(shown.join('').length).toBeLessThan(1024 * 1024 + 200);
  });

  test('a text that is given in place of the command runs, in the background too, and only in bash', async () => {
    const { call, context } = await openBench();
    const given = { ...context('1.0'), runs: 'echo judged' };
    const command = 'echo written';
    expect((await call('shell', { command }, given)).output).toBe('judged\n[exit code 0]');
    await call('shell', { command, background: true }, given);
    expect((await call('shell-poll', { id: '1.0', waitSeconds: 60 })).output).toBe(
      'judged\n[ended, exit code 0]',
    );
    const exec: Sandbox['exec'] = async ({ judged }) => {
      if (judged === true) throw new SandboxRefusal('there is no bash');
      throw new Error('It was not told what it needs.');
    };
    const without = { ...given, sandbox: { ...given.sandbox, exec } };
    for (const kind of [{}, { background: true }]) {
      expect(await call('shell', { command, ...kind }, without)).toEqual({
        ok: false,
        output: 'There is no bash.',
      });
    }
  });

  test('a command longer than the system takes is refused by its schema', async () => {
    const { tool } = await openBench();
    expect(tool('shell').input.safeParse({ command: `: ${'x'.repeat(100_000)}` }).success).toBe(false);
    expect(tool('shell').input.safeParse({ command: `: ${'x'.repeat(99_000)}` }).success).toBe(true);
  });
});

describe('what a command leaves running', () => {
  const server = 'echo up; touch up; while [ ! -e go ]; do sleep 0.02; done; echo down >&2';
  // What it says first is output of the call, however late it begins.
  const started = 'while [ ! -e up ]; do sleep 0.02; done; echo started';

  test.each([
    ['started with &', `( ${server} ) & ${started}`],
    ['that ignores the end of the shell', `nohup sh -c '${server}' & ${started}`],
    ['in a process group of its own', `(setsid sh -c '${server}' &); ${started}`],
  ])('%s goes on as a background command, which the result says', async (_what, command) => {
    const bench = await openBench();
    const { call, context } = bench;
    const { ok, output } = await call('shell', { command }, context('6.0'));
    expect(ok).toBe(true);
    expect(output).toMatch(
      /started[^]*\n\[exit code 0; still running in the background as 6\.0, until the run ends: process \d+ [^]*; read it with shell-poll, end it with shell-kill\]$/,
    );
    expect(bench.live.join('')).toContain('started');
    expect(await alive(bench)).toEqual([true]);
    expect((await call('shell-poll', { id: '6.0' })).output).toBe('[still running]');
    await call('write', { path: 'go', content: '' });
    expect(await call('shell-poll', { id: '6.0', waitSeconds: 60 })).toEqual({
      ok: true,
      output: 'down\n[ended, its last process is gone]',
    });
    expect(await alive(bench)).toEqual([false]);
  });

  // It stays the shell that it is: in the moment in which it becomes another program, none is seen by its marks.
  const lasting = '( sleep 600; : )';

  test('is ended by its call no more, but by its kill and by the end of its run', async () => {
    const bench = await openBench();
    const { call, context, background } = bench;
    const stop = new AbortController();
    await call('shell', { command: `${lasting} & exit 3` }, context('6.0', stop.signal));
    await call('shell', { command: `${lasting} > /dev/null 2>&1 &` }, context('6.1'));
    stop.abort(new Error('the attempt is over'));
    expect(await alive(bench)).toEqual([true, true]);
    expect(await call('shell-kill', { id: '6.0' })).toEqual({ ok: true, output: '[killed]' });
    expect(await alive(bench)).toEqual([false, true]);
    for (const runId of background.runIds()) await background.endRun(runId);
    expect(await alive(bench)).toEqual([false, false]);
  });

  test('is ended with the call where sixteen run already', async () => {
    const bench = await openBench();
    const { call, context } = bench;
    for (let index = 0; index < 16; index += 1)
      await call('shell', { command: 'sleep 600', background: true }, context(`7.${index}`));
    expect((await call('shell', { command: `${lasting} & echo said` })).output).toMatch(
      /^said\n\[exit code 0; what it left running was ended, for too many background commands/,
    );
    expect((await alive(bench)).slice(-2)).toEqual([true, false]);
  });
});

describe('background shell', () => {
  test('goes on after its call, tells its output once, and says how it ended', async () => {
    const { call, context, project } = await openBench();
    const command = 'echo first; while [ ! -e go ]; do sleep 0.02; done; echo second; exit 4';
    expect(await call('shell', { command, background: true }, context('3.1'))).toEqual({
      ok: true,
      output: 'Started in the background with the id 3.1. Read its output with shell-poll.',
    });
    let first = '';
    while (live(first) === '') first = (await call('shell-poll', { id: '3.1' })).output;
    expect(first).toBe('first\n[still running]');
    await call('write', { path: 'go', content: '' });
    expect(await call('shell-poll', { id: '3.1', waitSeconds: 60 })).toEqual({
      ok: true,
      output: 'second\n[ended, exit code 4]',
    });
    expect(await call('shell-poll', { id: '3.1', waitSeconds: 60 })).toEqual({
      ok: true,
      output: '[ended, exit code 4]',
    });
    expect(existsSync(path.join(project, 'go'))).toBe(true);
  });

  test('is killed with all it started', async () => {
    const bench = await openBench();
    const { call, context } = bench;
    await call('shell', { command: 'sleep 600 & sleep 600', background: true }, context('3.2'));
    expect(await call('shell-kill', { id: '3.2' })).toEqual({ ok: true, output: '[killed]' });
    expect(await alive(bench)).toEqual([false]);
    expect(await call('shell-kill', { id: '3.2' })).toEqual({ ok: true, output: '[killed]' });
  });

  test('ends with its run and leaves the others alone', async () => {
    const bench = await openBench();
    const { call, context, background } = bench;
    await call('shell', { command: 'sleep 600', background: true });
    await call('shell', { command: 'sleep 600', background: true }, { ...context(), runId: 'another' });
    await background.endRun('another');
    expect(await alive(bench)).toEqual([true, false]);
    await background.endRun('another');
    await background.close();
    expect(await alive(bench)).toEqual([false, false]);
  });

  test('a noisy one keeps its last output and says how much was dropped', async () => {
    const { call, context } = await openBench();
    await call('shell', { command: 'seq 100000', background: true }, context('3.3'));
    const { output } = await call('shell-poll', { id: '3.3', waitSeconds: 60 });
    expect(output).toMatch(/^\[326,751 earlier bytes were dropped\]\n/);
    expect(output).toMatch(/\n99999\n100000\n\[ended, exit code 0\]$/);
  });

  test('one whose handle cannot be recorded is not started', async () => {
    const { call, context, project } = await openBench();
    const given = { ...context('3.4'), recordHandle: () => Promise.reject(new Error('no database')) };
    await expect(call('shell', { command: 'touch acted', background: true }, given)).rejects.toThrow(
      'no database',
    );
    expect([(await call('shell-poll', { id: '3.4' })).ok, existsSync(path.join(project, 'acted'))]).toEqual([
      false,
      false,
    ]);
  });

  test('sixteen at once are enough, and an ended one makes room', async () => {
    const { call, context } = await openBench();
    for (let index = 0; index < 16; index += 1) {
      await call('shell', { command: 'sleep 600', background: true }, context(`4.${index}`));
    }
    const refused = await call('shell', { command: 'sleep 600', background: true });
    expect(refused).toEqual({
      ok: false,
      output: '16 background commands are running already; kill one with shell-kill.',
    });
    await call('shell-kill', { id: '4.0' });
    expect((await call('shell', { command: 'true', background: true })).ok).toBe(true);
  });

  test('waiting for output ends when the call is stopped', async () => {
    const { call, context } = await openBench();
    await call('shell', { command: 'sleep 600', background: true }, context('3.5'));
    const stop = new AbortController();
    const polling = call('shell-poll', { id: '3.5', waitSeconds: 300 }, context('3.6', stop.signal));
    await sleep(20);
    stop.abort(new Error('stopped'));
    await expect(polling).rejects.toThrow('stopped');
  });

  test('one that another worker held is said to be lost, or is found alive and can be killed', async () => {
    const bench = await openBench();
    const given = bench.context('5.0');
    const lost = await bench.call('shell-poll', { id: '5.0' });
    expect([lost.ok, lost.output]).toEqual([
      false,
      expect.stringContaining('was lost with its worker and was killed'),
    ]);
    // Another worker's command is one of the same call that this registry does not hold.
    const elsewhere = bench.call('shell', { command: 'sleep 600' }, given);
    while (bench.handles.length === 0) await sleep(10);
    expect((await bench.call('shell-poll', { id: '5.0' })).output).toMatch(/still runs, but another worker/);
    expect(await bench.call('shell-kill', { id: '5.0' })).toEqual({ ok: true, output: '[killed]' });
    expect(await elsewhere).toEqual({ ok: false, output: '[ended by SIGKILL]' });
  });
});

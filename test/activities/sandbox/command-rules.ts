// How every sandbox runs commands, and how it ends them.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Handle } from '../../../activities/sandbox/sandbox.ts';
import { type Opened, run, usualKey } from './opened.ts';

export function commandRules(opened: () => Opened): void {
  test('a command runs in the project with a minimal environment and no input', async () => {
    const { sandbox, project } = opened();
    const { result, stdout, stderr } = await run(
      sandbox,
      'pwd; echo "to stderr" > /dev/stderr; cat; env | cut -d= -f1 | grep -v "^\\(PWD\\|SHLVL\\|_\\)$" | sort | xargs; exit 3',
    );
    expect({ result, stdout, stderr }).toEqual({
      result: { exitCode: 3, signal: null },
      stdout: `${project}\nHOME LANG PATH PERDURE_CALL PERDURE_GROUP PERDURE_WORKER TERM\n`,
      stderr: 'to stderr\n',
    });
  });

  test('nothing that a worker was started with tells bash how to read a command', async () => {
    const { sandbox, outside } = opened();
    const file = path.join(outside, 'settings');
    writeFileSync(file, 'echo settings; alias ls=false');
    onTestFinished(() => void vi.unstubAllEnvs());
    for (const name of ['BASH_ENV', 'ENV']) vi.stubEnv(name, file);
    for (const name of ['SHELLOPTS', 'POSIXLY_CORRECT']) vi.stubEnv(name, 'posix');
    vi.stubEnv('BASHOPTS', 'expand_aliases:extglob');
    vi.stubEnv('BASH_FUNC_ls%%', '() { echo function; }');
    const names = ['BASH_ENV', 'ENV', 'POSIXLY_CORRECT'].map((name) => `\${${name}-none}`).join(' ');
    const { stdout } = await run(
      sandbox,
      `type -t ls; echo ${names}; shopt -p extglob expand_aliases; shopt -po posix; true`,
    );
    expect(stdout).toBe('file\nnone none none\nshopt -u extglob\nshopt -u expand_aliases\nset +o posix\n');
  });

  test.each(['-x', '+x', '--version', '-'])(
    'a command may begin with a sign that options have: %s',
    async (name) => {
      const { stdout, stderr } = await run(opened().sandbox, `${name}; echo and on`);
      expect([stdout, stderr]).toEqual(['and on\n', expect.stringMatching('not found')]);
    },
  );

  test.runIf(existsSync('/proc/self/oom_score_adj'))(
    'where memory runs out, a command goes before the platform',
    async () => {
      const { driver, sandbox } = opened();
      const { stdout } = await run(sandbox, 'cat /proc/self/oom_score_adj');
      // A container of a person's own is as that person has made it.
      expect(Number(stdout)).toBeGreaterThanOrEqual(driver.mode === 'container' ? 0 : 500);
    },
  );

  test('a command that a signal ends says which', async () => {
    expect((await run(opened().sandbox, 'kill -USR1 $$')).result).toEqual({
      exitCode: null,
      signal: 'SIGUSR1',
    });
  });

  test('a command does not act before its handle is recorded, and never when that fails', async () => {
    const { driver, sandbox, project } = opened();
    const file = path.join(project, 'acted');
    let seen: { acted: boolean; alive: boolean } | undefined;
    await sandbox.exec({
      command: 'touch acted',
      key: usualKey,
      signal: new AbortController().signal,
      async onStart(handle) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        seen = { acted: existsSync(file), alive: await driver.isAlive(handle) };
      },
      onOutput() {},
    });
    expect([seen, existsSync(file)]).toEqual([{ acted: false, alive: true }, true]);
    const refused = sandbox.exec({
      command: 'touch never',
      key: usualKey,
      signal: new AbortController().signal,
      onStart: () => Promise.reject(new Error('the database is gone')),
      onOutput() {},
    });
    await expect(refused).rejects.toThrow('the database is gone');
    expect(existsSync(path.join(project, 'never'))).toBe(false);
  });
}

export function endingRules(opened: () => Opened): void {
  test('what a command leaves behind is ended with it and does not hold the answer', async () => {
    const { driver, sandbox } = opened();
    // What holds its output would do so for longer than a test has.
    const ran = await run(sandbox, 'sleep 600 & (setsid sleep 600 &) ; set -m; sleep 600 & echo done');
    expect([ran.stdout, await driver.isAlive(ran.handle)]).toEqual(['done\n', false]);
  });

  test('aborting ends the whole command and gives the reason, also when it ignores being asked', async () => {
    const { driver, sandbox } = opened();
    for (const command of [
      'sleep 600 | cat & wait',
      'trap "" TERM; (trap "" TERM; sleep 600; sleep 600) & sleep 600; sleep 600',
    ]) {
      const stop = new AbortController();
      let handle: Handle | undefined;
      const running = run(sandbox, `echo go; ${command}`, stop.signal, (started) => {
        handle = started;
        setTimeout(() => stop.abort(new Error('the run was interrupted')), 200);
      });
      await expect(running).rejects.toThrow('the run was interrupted');
      expect(await driver.isAlive(handle as Handle)).toBe(false);
    }
  });

  test('a command asked to end may clean up', async () => {
    const { sandbox, project } = opened();
    const [up, cleaned] = ['up', 'cleaned'].map((name) => path.join(project, name)) as [string, string];
    let tookMs: number;
    // Each kind gives it a second at least. Where the machine has taken all of that, nothing was shown.
    do {
      rmSync(up, { force: true });
      const stop = new AbortController();
      const running = run(
        sandbox,
        'trap "sleep 0.3 && touch cleaned; exit" TERM; touch up; while :; do sleep 0.05; done',
        stop.signal,
      );
      while (!existsSync(up)) await sleep(10);
      const asked = performance.now();
      stop.abort(new Error('enough'));
      await expect(running).rejects.toThrow('enough');
      tookMs = performance.now() - asked;
    } while (!existsSync(cleaned) && tookMs > 1000);
    expect(existsSync(cleaned)).toBe(true);
  });

  test('ten megabytes and a million short lines arrive whole and in order', async () => {
    const { sandbox } = opened();
    let bytes = 0;
    let last = '';
    const options = { key: usualKey, signal: new AbortController().signal, onStart: async () => {} };
    const onOutput = (_from: string, chunk: Buffer): void => {
      bytes += chunk.length;
      last = (last + chunk.toString('latin1')).slice(-20);
    };
    await sandbox.exec({ ...options, command: 'head -c 10000000 /dev/zero', onOutput });
    expect(bytes).toBe(10_000_000);
    await sandbox.exec({ ...options, command: 'seq 1000000', onOutput });
    expect([bytes, last.slice(-8)]).toEqual([10_000_000 + 6_888_896, '1000000\n']);
  });
}

import { readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findProcesses, runningProcess } from '../../worker/process-table.ts';
import { kindOf, listenersOf } from './listeners.ts';
import {
  call,
  cleanUpServe,
  everyName,
  folder,
  pidOf,
  prepareServe,
  processOf,
  readOrUndefined,
  runToItsEnd,
  start,
  startMs,
  startWhole,
  stop,
  variables,
} from './served.ts';

/** Every listening socket of the platform, and what each says to a page that has its own name point to it. */
async function expectOnlyTheseListen(): Promise<void> {
  const found = await Promise.all(
    everyName.map(async (name) =>
      (await listenersOf(pidOf(name))).map((listener) => ({ name, ...listener })),
    ),
  );
  const { PERDURE_PORT, PERDURE_TEMPORAL_PORT, PERDURE_POSTGRES_PORT } = variables;
  const named = new Map([
    [Number(PERDURE_PORT), 'asked for'],
    [Number(PERDURE_TEMPORAL_PORT), 'asked for'],
    [Number(PERDURE_POSTGRES_PORT), 'asked for'],
  ]);
  const rows = found.flat().map((listener) => {
    const { name, host, port } = listener;
    const where = host === '127.0.0.1' ? host : host.replace(/^127\.\d+\.\d+\.\d+$/, 'a hidden address');
    return `${name}: ${where}, ${named.get(port) ?? 'a free port'}, ${kindOf(listener)}`;
  });
  expect(rows.sort()).toEqual([
    'api: 127.0.0.1, asked for, refuses',
    'postgres: 127.0.0.1, asked for, no HTTP',
    // Two of its services, which speak gRPC with each other.
    'temporal: 127.0.0.1, a free port, no HTTP',
    'temporal: 127.0.0.1, a free port, no HTTP',
    // Its figures; on a machine with more of us than ports that browsers refuse they would say "answers" here.
    'temporal: 127.0.0.1, a free port, no browser connects',
    // Its HTTP API.
    'temporal: 127.0.0.1, a free port, refuses',
    'temporal: 127.0.0.1, asked for, no HTTP',
    // Its Web UI.
    'temporal: a hidden address, a free port, no browser connects',
  ]);
}

beforeEach(prepareServe);
afterEach(cleanUpServe);

describe('perdure serve', () => {
  test('starts everything, says what is where, refuses a second start, and stops in order at a doubled Ctrl-C', async () => {
    const started = await startWhole();
    const file = readOrUndefined();
    const { PERDURE_PORT, PERDURE_TEMPORAL_PORT, PERDURE_POSTGRES_PORT } = variables;
    const url = `http://127.0.0.1:${PERDURE_PORT}`;
    const temporalUi = `${url}/temporal`;
    expect({ url: file?.url, temporalUi: file?.temporalUi }).toEqual({ url, temporalUi });
    const views = file?.processes.map(({ name, address, health, restarts }) => ({
      name,
      address,
      health,
      restarts,
    }));
    const up = { health: 'up', restarts: 0 };
    expect(views).toEqual([
      { name: 'supervisor', address: null, ...up },
      { name: 'api', address: url, ...up },
      { name: 'worker', address: null, ...up },
      { name: 'postgres', address: `127.0.0.1:${PERDURE_POSTGRES_PORT}`, ...up },
      { name: 'temporal', address: `127.0.0.1:${PERDURE_TEMPORAL_PORT}`, ...up },
    ]);
    for (const { pid, started: since } of file?.processes ?? [])
      expect(runningProcess(pid ?? 0)?.started).toBe(since);
    const token = readFileSync(path.join(folder, 'token'), 'utf8').trim();
    for (const shown of [`${url}/#token=${token}`, `${url}/docs`, temporalUi, path.join(folder, 'token')]) {
      expect(started.out()).toContain(shown);
    }
    expect(started.out()).toContain('no model key is set, so the scripted model answers');
    expect(statSync(path.join(folder, 'token')).mode & 0o077).toBe(0);
    expect(statSync(folder).mode & 0o007).toBe(0);

    await expectOnlyTheseListen();

    const second = start();
    expect(await second.ended).toBe(1);
    expect(second.out()).toBe(
      `perdure: ${folder} is held by the Perdure with pid ${pidOf('supervisor')}: stop that one, or set PERDURE_DATA to another folder.\n`,
    );
    await runToItsEnd();

    // Of two kinds and at once: two alike may arrive as one, and a pause of ours would make two presses of them.
    started.child.kill('SIGINT');
    started.child.kill('SIGTERM');
    expect(await started.ended).toBe(0);
    const log = (name: string) => readFileSync(path.join(folder, 'logs', `${name}.log`), 'utf8');
    const stoppedAt = (name: string) =>
      log(name)
        .split('\n')
        .map((line) => /"time":"([^"]+)".*"msg":"stopped"/.exec(line)?.[1])
        .find((time) => time !== undefined) ?? 'never';
    const databaseShutAt = /(\S+) (\S+) UTC \[\d+\] LOG: {2}received fast shutdown request/.exec(
      log('postgres'),
    );
    const order = [stoppedAt('api'), stoppedAt('worker'), `${databaseShutAt?.[1]}T${databaseShutAt?.[2]}Z`];
    expect(order).toEqual([...order].sort());
    expect(order).not.toContain('never');
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
    expect([readOrUndefined(), readFileSync(path.join(folder, 'supervisor.lock'), 'utf8')]).toEqual([
      undefined,
      '',
    ]);
    // The database's password and the token are in no log.
    const password = readFileSync(path.join(folder, 'postgres', 'password'), 'utf8').trim();
    for (const name of everyName) {
      expect(log(name)).not.toContain(password);
      expect(log(name)).not.toContain(token);
    }
  });

  test('starts each part again that is killed, and leaves the others alone', {
    tags: ['faults'],
  }, async () => {
    const started = await startWhole();
    for (const name of ['worker', 'api', 'temporal', 'postgres'] as const) {
      const before = Object.fromEntries(everyName.map((each) => [each, pidOf(each)]));
      process.kill(pidOf(name), 'SIGKILL');
      // Read once: between two reads of the file its part may end and start.
      const state = () => {
        const { health, pid } = processOf(name);
        return { health, isNew: pid !== before[name] };
      };
      await expect.poll(state, { timeout: startMs }).toEqual({ health: 'up', isNew: true });
      const after = Object.fromEntries(everyName.map((each) => [each, pidOf(each)]));
      expect(after).toEqual({ ...before, [name]: after[name] });
      expect(processOf(name).restarts).toBe(1);
    }
    await expect.poll(async () => (await call('/health')).status, { timeout: startMs }).toBe(200);
    await runToItsEnd();
    await stop(started);
  });

  test('takes over what a killed supervisor left: the servers go on, the API and the worker are new, and so is a lost token', {
    tags: ['faults'],
  }, async () => {
    const first = await startWhole();
    const before = Object.fromEntries(everyName.map((name) => [name, pidOf(name)]));
    const run = await runToItsEnd();
    first.child.kill('SIGKILL');
    await first.ended;
    expect(runningProcess(before['api'] ?? 0)).toBeDefined();
    const tokenFile = path.join(folder, 'token');
    const lost = readFileSync(tokenFile, 'utf8').trim();
    rmSync(tokenFile);
    const second = await startWhole();
    expect(second.out()).toContain(
      'the file was lost, so it was made anew; what was in it before is revoked',
    );
    const url = `http://127.0.0.1:${variables['PERDURE_PORT']}/api/v1/runs`;
    expect((await fetch(url, { headers: { authorization: `Bearer ${lost}` } })).status).toBe(401);
    const after = Object.fromEntries(everyName.map((name) => [name, pidOf(name)]));
    const { postgres, temporal } = before;
    expect(after).toMatchObject({ postgres, temporal });
    expect([after['api'], after['worker']]).not.toEqual([before['api'], before['worker']]);
    expect(['api', 'worker'].map((name) => runningProcess(before[name] ?? 0))).toEqual([
      undefined,
      undefined,
    ]);
    expect(processOf('api').address).toBe(`http://127.0.0.1:${variables['PERDURE_PORT']}`);
    expect((await call(`/runs/${run}`)).status).toBe(200);
    await stop(second);
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('comes back with everything after all of it was killed at once', { tags: ['faults'] }, async () => {
    const first = await startWhole();
    const run = await runToItsEnd();
    for (const name of everyName) process.kill(pidOf(name), 'SIGKILL');
    await first.ended;
    const second = await startWhole();
    expect(((await (await call(`/runs/${run}`)).json()) as { status: string }).status).toBe('succeeded');
    await runToItsEnd();
    await stop(second);
  });
});

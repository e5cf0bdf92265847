// F7: the disk of the data folder is full while runs work, and folders of it are removed. What is to be stored waits until
// there is room, nothing becomes unknown, and the supervisor goes on whatever was taken from under it.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { ReadyView } from '../../workflows/contracts/system.ts';
import { perdure } from '../api/cli/captured.ts';
import type { Program } from '../chaos/program.ts';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { type Platform, startPlatform, until } from '../support/platform.ts';
import { openSmallDisk, type SmallDisk } from '../support/small-disk.ts';

// Past it a wait says what it waited for.
const longestMs = 60_000;

const theatre = await openTheatre();
let disk: SmallDisk;
let platform: Platform;

beforeAll(async () => {
  disk = await openSmallDisk();
  platform = await startPlatform({
    parent: disk.folder,
    cache: inject('bundles'),
    environment: { PERDURE_COMPATIBLE_BASE_URL: theatre.model.url, PERDURE_TOOL_SLOTS: '12' },
  });
});

afterAll(async () => {
  await platform?.remove();
  await disk?.remove();
});

/** Each has acted when its result finds no room: in a row, and in a file of its own. */
function busy(name: string): Program[] {
  return [700_000, 700_000, 3_000_000].map((bytes, index) =>
    aProgram([
      {
        words: 20,
        wordMs: 50,
        calls: [
          { kind: 'command', command: `echo begun; sleep 3; head -c ${bytes} /dev/urandom | base64` },
          anEffect(`${name}-${index}`, { beforeMs: 3_000 }),
        ],
      },
      { words: 20, wordMs: 50, calls: [anEffect(`${name}-${index}-after`)] },
      { words: 5 },
    ]),
  );
}

async function play(name: string) {
  const programs = busy(name);
  const playing = theatre.play(platform, programs);
  await Promise.all(programs.map((program) => theatre.callRuns(platform, program)));
  return {
    playing,
    /** The statuses of every run and call, when all have ended and the checker has found nothing. */
    async ended() {
      const runs = await theatre.expectRight(platform, await playing);
      const states = (await playing).map((played) => onlyRun(runs, played));
      return states.map(({ run, calls }) => [run.status, ...calls.map(({ status }) => status)]);
    },
  };
}

const allWell = Array.from({ length: 3 }, () => ['succeeded', 'succeeded', 'succeeded', 'succeeded']);

async function post(prompt: string): Promise<{ status: number; code: unknown; detail: string }> {
  const response = await fetch(`${platform.url}/api/v1/runs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${platform.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ prompt, model: 'scripted/hello' }),
  });
  const { code, detail } = (await response.json()) as { code?: unknown; detail: string };
  return { status: response.status, code, detail };
}

async function status() {
  const shown = perdure(['status'], { environment: { PERDURE_DATA: platform.data } });
  await shown.code;
  return shown.out();
}

test('what is stored while the disk is full waits, new work is refused by name, and all goes on when there is room', async () => {
  const { ended } = await play('full');
  disk.fill();
  const refused = await post('refused');
  const health = ReadyView.parse(await platform.client.ready());
  const shown = await status();
  // Beyond the end of every command: each has a result that finds no room.
  await sleep(6_000);
  const full = `The disk of ${platform.data} is full: 0 MB are free, and new work needs 268 MB.`;
  expect({
    refused: [refused.status, refused.code],
    health: [health.status, health.disk.state, (health.disk.room?.freeBytes ?? 1e9) < 1e6],
    statuses: (await platform.client.runs({ limit: 10 })).items.map((run) => run.status),
  }).toEqual({
    refused: [507, 'DiskFull'],
    health: ['degraded', 'down', true],
    statuses: ['running', 'running', 'running'],
  });
  for (const text of [refused.detail, health.disk.problem, shown]) expect(text).toContain(full);
  disk.empty();
  expect(await ended()).toEqual(allWell);
});

test('where room is scarce new work is refused, and what runs finishes', { tags: ['faults'] }, async () => {
  const { ended } = await play('scarce');
  disk.fill(200_000_000);
  const refused = await post('refused');
  const finished = await ended();
  disk.empty();
  const { status } = await post('accepted');
  expect({ refused: [refused.status, refused.code], finished, status }).toEqual({
    refused: [507, 'DiskFull'],
    finished: allWell,
    status: 202,
  });
});

test('a Postgres and a Temporal that a full disk has stopped come back with it, and nothing is unknown', {
  tags: ['faults'],
}, async () => {
  const { ended } = await play('stopped');
  disk.fill();
  const before = platform.pid('postgres');
  // A new piece of its log, which it cannot have: it stops, and cannot start.
  const client = new pg.Client({ connectionString: platform.databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  const newPiece = `select pg_switch_wal(), pg_logical_emit_message(true, 'full', repeat('x', 100000))`;
  for (let piece = 0; piece < 3; piece += 1) await client.query(newPiece).catch(() => undefined);
  await client.end().catch(() => undefined);
  const isDown = (): boolean => platform.pid('postgres') !== before;
  await until(isDown, longestMs, () => `Postgres runs on: ${JSON.stringify(platform.processes())}`);
  platform.kill('temporal');
  // Beyond the end of every command, and several tries to start.
  await sleep(8_000);
  const { status, code } = await post('refused');
  disk.empty();
  expect({ status, code, ended: await ended() }).toEqual({ status: 507, code: 'DiskFull', ended: allWell });
});

test('the folders of logs and of signs, and what says what runs, are removed, and a killed worker is started again', {
  tags: ['faults'],
}, async () => {
  const { playing } = await play('removed');
  for (const name of ['logs', 'run', 'processes.json', 'supervisor.lock']) {
    // Out of the way first: while a folder is emptied something new may come into it.
    const aside = path.join(disk.folder, `removed-${name}`);
    renameSync(path.join(platform.data, name), aside);
    rmSync(aside, { recursive: true });
  }
  await until(
    () => platform.processes().length === 5,
    longestMs,
    () => `processes.json says ${JSON.stringify(platform.processes())}`,
  );
  const before = platform.pid('worker');
  platform.kill('worker');
  const replaced = (): boolean =>
    platform
      .processes()
      .some(({ name, pid, health }) => name === 'worker' && pid !== before && health === 'up');
  await until(replaced, longestMs, () => `No other worker is up: ${JSON.stringify(platform.processes())}`);
  await theatre.expectRight(platform, await playing);
  expect(
    ['supervisor', 'worker', 'api'].filter((name) =>
      existsSync(path.join(platform.data, 'logs', `${name}.log`)),
    ),
  ).toEqual(['supervisor', 'worker', 'api']);
  expect(readFileSync(path.join(platform.data, 'logs', 'supervisor.log'), 'utf8')).toContain(
    'are made again',
  );
  expect(existsSync(path.join(platform.data, 'supervisor.lock'))).toBe(true);
});

// F16 under the supervisor: an API and a worker that stand still without being dead are killed and replaced before
// anybody waits for a heartbeat; whoever only waits for Postgres, or stood still with the whole machine, is left alone.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Played } from '../chaos/player.ts';
import type { Program } from '../chaos/program.ts';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { type Platform, startPlatform, until } from '../support/platform.ts';

// Past it a wait says what it waited for.
const longestMs = 90_000;
// Somewhat longer than a process may stand still.
const standstillMs = 25_000;

const theatre = await openTheatre();
let platforms: Platform[] = [];

beforeAll(async () => {
  const environment = { PERDURE_COMPATIBLE_BASE_URL: theatre.model.url };
  const cache = inject('bundles');
  platforms = await Promise.all([1, 2, 3].map(() => startPlatform({ cache, environment })));
});

afterAll(async () => {
  await Promise.all(platforms.map((platform) => platform.remove()));
});

/** One that calls a command which says that it runs, and one that talks for half a minute. */
function twoPrograms(name: string, beforeMs: number): Program[] {
  return [
    aProgram([{ calls: [anEffect(name, { says: 'begun', beforeMs })] }]),
    aProgram([{ words: 300, wordMs: 100 }]),
  ];
}

/** Plays them until both are under way; `over` resolves with what was seen when they have ended. */
async function play(platform: Platform, programs: Program[]): Promise<{ over: Promise<Played[]> }> {
  const over = theatre.play(platform, programs);
  const underWay = async (): Promise<boolean> => {
    const { items } = await platform.client.runs({ limit: 10 });
    const deltas = await Promise.all(
      items.map(async ({ id }) => (await platform.client.runEvents(id, { limit: 200 })).items),
    );
    return (
      deltas.some((events) => events.some(({ type }) => type === 'call-delta')) &&
      deltas.filter((events) => events.some(({ type }) => type === 'text-delta')).length === 2
    );
  };
  await until(underWay, longestMs, () => `Not both are under way:\n${platform.log('worker')}`, 100);
  return { over };
}

function pids(platform: Platform) {
  return { api: platform.pid('api'), worker: platform.pid('worker') };
}

async function hang(platform: Platform): Promise<void> {
  const { over } = await play(platform, twoPrograms('hangs', 60_000));
  const before = pids(platform);
  const at = Date.now();
  platform.kill('worker', 'SIGSTOP');
  platform.kill('api', 'SIGSTOP');
  const replaced = (): boolean => {
    const { api, worker } = pids(platform);
    return api !== undefined && worker !== undefined && api !== before.api && worker !== before.worker;
  };
  await until(replaced, longestMs, () => `Not both were replaced:\n${platform.log('supervisor')}`);
  const afterMs = Date.now() - at;
  const played = await over;
  const states = played.map(onlyRunOf(await theatre.expectRight(platform, played)));
  const back = states.flatMap(({ events }) =>
    events.map((event) => Date.parse(event.at)).filter((time) => time > at + 1_000),
  );
  console.log(
    `stood still: replaced after ${afterMs / 1_000} s, progress ${(Math.min(...back) - at) / 1_000} s after`,
  );
  expect({
    runs: states.map(({ run }) => run.status),
    calls: states.flatMap(({ calls }) => calls.map(({ status }) => status)),
    lost: states.flatMap(({ attempts }) => attempts.filter(({ outcome }) => outcome === 'lost')).length,
    beforeItsHeartbeat: afterMs < 30_000,
  }).toEqual({ runs: ['succeeded', 'succeeded'], calls: ['unknown'], lost: 2, beforeItsHeartbeat: true });
}

function onlyRunOf(runs: Awaited<ReturnType<typeof theatre.expectRight>>) {
  return (played: Played) => onlyRun(runs, played);
}

/** Whoever runs before still runs after, and nothing had to be done again. */
async function leftAlone(platform: Platform, name: string, standStill: () => Promise<void>): Promise<void> {
  const { over } = await play(platform, twoPrograms(name, 2_000));
  const before = pids(platform);
  await standStill();
  const played = await over;
  const states = played.map(onlyRunOf(await theatre.expectRight(platform, played)));
  expect({
    pids: pids(platform),
    runs: states.map(({ run }) => run.status),
    lost: states.flatMap(({ attempts }) => attempts.filter(({ outcome }) => outcome === 'lost')),
  }).toEqual({ pids: before, runs: ['succeeded', 'succeeded'], lost: [] });
}

test('an API and a worker that stand still are replaced; those whose Postgres or whose whole machine does are not', {
  tags: ['faults'],
}, async () => {
  const [hanging, waiting, suspended] = platforms as [Platform, Platform, Platform];
  await Promise.all([
    hang(hanging),
    leftAlone(waiting, 'waits', async () => {
      waiting.kill('postgres', 'SIGSTOP');
      await sleep(standstillMs);
      waiting.kill('postgres', 'SIGCONT');
    }),
    leftAlone(suspended, 'sleeps', async () => {
      const all = ['supervisor', 'api', 'worker', 'temporal', 'postgres'] as const;
      for (const name of all) suspended.kill(name, 'SIGSTOP');
      await sleep(standstillMs);
      // The supervisor first: it must give the others time to give a sign.
      for (const name of all) suspended.kill(name, 'SIGCONT');
    }),
  ]);
});

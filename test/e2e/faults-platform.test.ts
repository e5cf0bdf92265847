// F3, F20, and the supervised deaths: the whole product with hundreds of readers, killed part by part and all at
// once. The figures of the recoveries are printed; how fast they must be is the benchmarks' business.
import { connect, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type RunState, spread } from '../chaos/evidence.ts';
import type { Played } from '../chaos/player.ts';
import type { Program } from '../chaos/program.ts';
import { record } from '../chaos/recorder.ts';
import { anEffect, aProgram, openTheatre } from '../support/faults.ts';
import { type Platform, type ProcessName, startPlatform, until } from '../support/platform.ts';
import { withFaults } from '../support/with-faults.ts';

// Past it a wait says what it waited for.
const longestMs = 90_000;

const theatre = await openTheatre();
let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform({
    cache: inject('bundles'),
    environment: {
      PERDURE_COMPATIBLE_BASE_URL: theatre.model.url,
      PERDURE_TOOL_SLOTS: '16',
      PERDURE_LLM_SLOTS: '32',
    },
  });
});

afterAll(async () => {
  await platform?.remove();
});

/** Runs that stream and call in turn, about a second for each step. */
function busy(name: string, count: number, steps: number): Program[] {
  return Array.from({ length: count }, (_, index) =>
    aProgram(
      Array.from({ length: steps }, (_each, step) => ({
        words: 6,
        wordMs: 100,
        calls: [anEffect(`${name}-${index}-${step}`, { beforeMs: 200, afterMs: 100 })],
      })),
    ),
  );
}

/** How long after the moment each run that was under way then showed progress. */
function recoveries(runs: ReadonlyMap<string, RunState>, played: readonly Played[], at: number): number[] {
  return played.flatMap(({ messages }) => {
    const times = (runs.get(messages[0]?.runId ?? '')?.events ?? []).map((event) => Date.parse(event.at));
    // What a killed process had already sent may still arrive.
    const progress = times.find((time) => time > at + 30);
    return (times[0] ?? at) < at && progress !== undefined ? [progress - at] : [];
  });
}

interface Death {
  what: string;
  strike: () => Promise<void>;
  times: number;
}

const deaths: Death[] = [
  { what: 'the worker', strike: async () => void platform.kill('worker'), times: 2 },
  { what: 'the API', strike: async () => void platform.kill('api'), times: 1 },
  { what: 'Postgres', strike: async () => void platform.kill('postgres'), times: 1 },
  { what: 'Temporal', strike: async () => void platform.kill('temporal'), times: 1 },
  {
    what: 'the supervisor',
    times: 1,
    async strike() {
      platform.kill('supervisor');
      await platform.serve();
    },
  },
];
const allAtOnce: Death = {
  what: 'everything at once',
  times: 1,
  async strike() {
    platform.killEverything();
    await platform.serve();
  },
};

/** Resolves when each of them has asked the model again since that moment, or has nothing more to ask. */
async function allGoOn(programs: readonly Program[], since: number): Promise<void> {
  const goesOn = (program: Program): boolean => {
    const last = theatre.asksOf(program).at(-1);
    return last !== undefined && (last.at > since || last.step === program.messages[0]?.steps.length);
  };
  await until(
    () => programs.every(goesOn),
    longestMs,
    () => `Not all have gone on:\n${platform.log('worker')}`,
  );
}

async function expectGoOn({ what, strike, times }: Death): Promise<void> {
  // Enough for the time between the deaths.
  const programs = busy(what, 8, 4 * times);
  const playing = theatre.play(platform, programs);
  await theatre.allBegun(programs);
  const at: number[] = [];
  for (let round = 0; round < times; round += 1) {
    // In the middle of their steps, and with each death measured alone: all have got over the one before.
    await sleep(1_000);
    at.push(Date.now());
    await strike();
    await platform.ready();
    await allGoOn(programs, at.at(-1) ?? 0);
  }
  const played = await playing;
  const runs = await theatre.expectRight(platform, played);
  console.log(
    `recovery after the death of ${what}, p50 / p99 / max: ${spread(at.flatMap((time) => recoveries(runs, played, time)))}`,
  );
}

const title = 'runs go on by themselves after kill -9 of $what';
test.each(deaths)(title, { tags: ['faults'] }, expectGoOn);
test.each([allAtOnce])(title, expectGoOn);

// Of each of ten runs.
const readersEach = withFaults ? 50 : 15;

test(`${10 * readersEach} readers whose API is killed twice come back and have received every event once`, async () => {
  const programs = busy('read', 10, 9);
  // None of them ends before the second death, however long the API takes to come back.
  const lastAnswers = theatre.hold(programs, 9);
  const playing = theatre.play(platform, programs);
  await theatre.allBegun(programs);
  const { items } = await platform.client.runs({ limit: 10 });
  const { url, token } = platform;
  const readers = items.flatMap(({ id }) =>
    Array.from({ length: readersEach }, () => record({ url, token, kind: 'run', of: id })),
  );
  await until(
    () => readers.every(({ recording }) => recording.connections.length > 0),
    longestMs,
    () => 'Not all read.',
  );
  const herds: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    const before = platform.pid('api');
    platform.kill('api');
    const killedAt = Date.now();
    await until(
      () => platform.pid('api') !== before && platform.pid('api') !== undefined,
      longestMs,
      () => platform.log('supervisor'),
    );
    const open = readers.filter(
      ({ recording }) => !recording.connections.some(({ frames }) => frames.at(-1)?.type === 'run-end'),
    );
    expect(open.length, 'they are still reading').toBeGreaterThan(readers.length / 5);
    const isBack = ({ recording }: (typeof open)[number]): boolean =>
      (recording.connections.at(-1)?.openedAt ?? 0) > killedAt;
    await until(
      () => open.every(isBack),
      longestMs,
      () => 'Not all came back.',
    );
    herds.push(...open.map(({ recording }) => (recording.connections.at(-1)?.openedAt ?? 0) - killedAt));
  }
  lastAnswers();
  await Promise.all(readers.map(({ done }) => done));
  const played = await playing;
  for (const reader of readers) {
    const of = played.find(({ messages }) => messages[0]?.runId === reader.recording.of);
    of?.recordings.push(reader.recording);
  }
  expect(played.reduce((sum, { recordings }) => sum + recordings.length, 0)).toBe(10 * readersEach + 10 * 3);
  await theatre.expectRight(platform, played);
  console.log(
    `${readers.length} readers back after the API's death, its own start included, p50 / p99 / max: ${spread(herds)}`,
  );
});

test('200 readers that never read are cut at the bound, while those that read miss nothing', {
  tags: ['faults'],
}, async () => {
  // Two megabytes of text: more than what the server and both ends of a socket hold for anybody.
  const program = aProgram([{ words: 400, wordMs: 5 }]);
  const words = program.messages[0]?.steps[0]?.words ?? [];
  for (const [index, word] of words.entries()) words[index] = word.padEnd(6_000, 'x');
  const playing = theatre.play(platform, [program]);
  await theatre.allBegun([program]);
  const [run] = (await platform.client.runs({ limit: 1 })).items;
  const before = residentMiB('api');
  const sockets = Array.from({ length: 200 }, () => openAndNeverRead(run?.id ?? ''));
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, residentMiB('api'));
  }, 100);
  const played = await playing;
  await theatre.expectRight(platform, played);
  // The last of them is cut some five seconds after it could take no more.
  await until(
    () => sockets.every(({ cut }) => cut()),
    longestMs,
    () => 'Some are still held.',
  );
  clearInterval(watch);
  console.log(`200 readers that never read: the API grew from ${before} to at most ${most} MiB`);
  expect(most - before, 'one megabyte each at most').toBeLessThan(250);
});

function residentMiB(name: ProcessName): number {
  const pid = platform.pid(name);
  const pages = pid === undefined ? 0 : Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return Math.round((pages * 4096) / 1_048_576);
}

function openAndNeverRead(runId: string): { cut(): boolean } {
  const { hostname, port } = new URL(platform.url);
  const socket: Socket = connect({ host: hostname, port: Number(port) });
  let gone = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    gone = true;
  });
  socket.write(
    `GET /api/v1/runs/${runId}/stream HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${platform.token}\r\n\r\n`,
  );
  socket.pause();
  return {
    cut() {
      // A paused socket does not notice its end; written to, it does.
      socket.write('x');
      return gone || socket.destroyed;
    },
  };
}

// F4, F5: the servers below the product die, stop at once or freeze while runs are under way. What was accepted waits
// and goes on; what asks gets an answer in time; healthy work is not disturbed.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRequests } from '../chaos/requests.ts';
import { marked } from '../chaos/fake-model.ts';
import type { Program } from '../chaos/program.ts';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { openOwnServers } from '../support/own-servers.ts';
import { until } from '../support/platform.ts';
import { openRoles, type Role } from '../support/roles.ts';

// Past it a wait says what it waited for.
const patienceMs = 90_000;

const theatre = await openTheatre();
const servers = await openOwnServers();
const roles = await openRoles(
  { PERDURE_COMPATIBLE_BASE_URL: theatre.model.url, PERDURE_TOOL_SLOTS: '32', PERDURE_LLM_SLOTS: '32' },
  servers,
);

const started: Role[] = [];
beforeAll(async () => {
  started.push(await roles.startApi(), await roles.startWorker());
});
afterAll(() => {
  for (const role of started) role.kill();
});

function asksOf(program: Program) {
  const marker = program.messages[0]?.marker;
  return theatre.model.asks.filter((ask) => ask.marker === marker);
}

async function allBegun(programs: readonly Program[]): Promise<void> {
  const begun = (): boolean => programs.every((program) => asksOf(program).length > 0);
  await until(begun, patienceMs, () => `Not all have begun:\n${roles.log().slice(-3_000)}`);
}

/** Twenty runs: ten in the middle of an answer, ten in the middle of a command, each for so many seconds. */
function twentyLong(name: string, seconds: number): Program[] {
  return Array.from({ length: 20 }, (_, index) =>
    index % 2 === 0
      ? aProgram([{ words: seconds * 10, wordMs: 100 }])
      : aProgram([{ words: 2, calls: [anEffect(`${name}-${index}`, { beforeMs: seconds * 1_000 })] }]),
  );
}

const pauses = [
  { how: 'killed', seconds: 2 },
  { how: 'killed', seconds: 5 },
  { how: 'killed', seconds: 10 },
  { how: 'frozen', seconds: 2 },
  { how: 'frozen', seconds: 5 },
  { how: 'frozen', seconds: 10 },
] as const;

test.each(pauses)(
  'with Temporal $how for $seconds s, none of 20 calls in flight is restarted or billed twice',
  async ({ how, seconds }) => {
    const programs = twentyLong(`temporal-${how}-${seconds}`, seconds + 4);
    const playing = theatre.play(roles, programs);
    await allBegun(programs);
    await sleep(2_000);
    await servers.signal('temporal', how === 'killed' ? 'SIGKILL' : 'SIGSTOP');
    await sleep(seconds * 1_000);
    if (how === 'killed') await servers.start('temporal');
    else await servers.signal('temporal', 'SIGCONT');
    const played = await playing;
    const runs = await theatre.expectRight(roles, played);
    const states = played.map((each) => onlyRun(runs, each));
    expect({
      ended: new Set(states.map(({ run }) => run.status)),
      restarted: states.flatMap(({ attempts }) => attempts).filter(({ attempt }) => attempt > 1).length,
      askedTwice: programs.flatMap(asksOf).filter(({ attempt }) => attempt > 1).length,
    }).toEqual({ ended: new Set(['succeeded']), restarted: 0, askedTwice: 0 });
  },
);

test('with Temporal dead for 10 s, work is accepted with 202, waits as queued, and steers are rows that are applied later', async () => {
  const running = aProgram([{ words: 60, wordMs: 100, calls: [anEffect('steered')] }], {
    acts: [{ kind: 'steer', atStep: 1, text: 'said while Temporal is away' }],
  });
  await servers.signal('temporal', 'SIGKILL');
  const requests = createRequests({ url: roles.url, token: roles.token, name: 'temporal-away' });
  const sent = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      requests.post('/runs', { prompt: `hello ${marked(`away/${index}`)}`, model: 'compatible/fake' }),
    ),
  );
  expect(sent.map(({ status, tries }) => [status, tries])).toEqual(sent.map(() => [202, 1]));
  expect(Math.max(...sent.map(({ longestMs }) => longestMs)), 'nobody waits for Temporal').toBeLessThan(
    5_000,
  );
  await sleep(10_000);
  const ids = sent.map(({ answer }) => String(answer['id']));
  const views = await Promise.all(ids.map((id) => roles.client.run(id)));
  expect(new Set(views.map(({ status }) => status))).toEqual(new Set(['queued']));
  // Reading works, and a steer of a run that waits is a row.
  const steer = await requests.post(`/runs/${ids[0]}/steer`, { text: 'said early', messageId: 'early' });
  expect(steer.status).toBe(202);
  const playing = theatre.play(roles, [running]);
  await servers.start('temporal');
  const allEnded = async (): Promise<boolean> => {
    const now = await Promise.all(ids.map((id) => roles.client.run(id)));
    return now.every(({ status }) => status === 'succeeded');
  };
  await until(allEnded, patienceMs, () => `Not all have succeeded:\n${roles.log().slice(-3_000)}`);
  const { items } = await roles.client.runEvents(ids[0] ?? '', { type: 'steer-response' });
  expect(items.map(({ payload }) => payload)).toEqual([
    { messageId: 'early', outcome: 'applied', step: 1, reason: null },
  ]);
  await theatre.expectRight(roles, await playing);
});

/** Runs that have something under way in every second of the outage. */
function busy(name: string): Program[] {
  return Array.from({ length: 8 }, (_, index) =>
    aProgram([
      { words: 80, wordMs: 50, calls: [anEffect(`${name}-${index}-1`, { beforeMs: 2_000 })] },
      {
        words: 20,
        wordMs: 50,
        calls: [
          { kind: 'write', path: `${name}-${index}.txt`, content: name },
          anEffect(`${name}-${index}-2`),
        ],
      },
      { words: 20, wordMs: 20 },
    ]),
  );
}

test('after an immediate stop of Postgres every run goes on, and nothing is asked or done twice', async () => {
  const programs = busy('stopped');
  const playing = theatre.play(roles, programs);
  await allBegun(programs);
  await sleep(1_000);
  await servers.signal('postgres', 'SIGQUIT');
  await servers.start('postgres');
  const played = await playing;
  const runs = await theatre.expectRight(roles, played);
  expect(played.map((each) => onlyRun(runs, each).calls.map(({ status }) => status))).toEqual(
    played.map(() => ['succeeded', 'succeeded', 'succeeded']),
  );
});

test('with Postgres away for 30 s, requests are refused in time, and afterwards every run goes on by itself', async () => {
  const programs = busy('away');
  const playing = theatre.play(roles, programs);
  await allBegun(programs);
  await servers.signal('postgres', 'SIGQUIT');
  const awayUntil = Date.now() + 30_000;
  const answers: { status: number; ms: number }[] = [];
  while (Date.now() < awayUntil) {
    const startedAt = Date.now();
    const headers = { authorization: `Bearer ${roles.token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ prompt: 'refused', model: 'compatible/fake' });
    const response = await fetch(`${roles.url}/api/v1/runs`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    expect(response.status === 503 && response.headers.get('retry-after')).toBeTruthy();
    answers.push({ status: response.status, ms: Date.now() - startedAt });
    await sleep(500);
  }
  console.log(
    `Postgres away: ${answers.length} requests refused, the slowest after ${Math.max(...answers.map(({ ms }) => ms))} ms`,
  );
  await servers.start('postgres');
  await theatre.expectRight(roles, await playing);
});

test('with Postgres frozen for 20 s, no request hangs beyond its timeout and nothing acknowledged is lost', async () => {
  const programs = busy('frozen');
  const playing = theatre.play(roles, programs);
  await allBegun(programs);
  await servers.signal('postgres', 'SIGSTOP');
  const thaw = sleep(20_000).then(() => servers.signal('postgres', 'SIGCONT'));
  const requests = createRequests({ url: roles.url, token: roles.token, name: 'frozen' });
  const sent = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      requests.post('/runs', {
        prompt: `hello ${marked(`frozen/${index}`)}`,
        model: 'compatible/fake',
        messageId: `frozen-${index}`,
      }),
    ),
  );
  await thaw;
  console.log(
    `Postgres frozen: the slowest request took ${Math.max(...sent.map(({ longestMs }) => longestMs))} ms of its tries`,
  );
  // A statement may take 15 s and a connection 5 s before the server gives up and says so.
  expect(Math.max(...sent.map(({ longestMs }) => longestMs))).toBeLessThan(25_000);
  expect(new Set(sent.map(({ answer }) => answer['id'])).size).toBe(10);
  await theatre.expectRight(roles, await playing);
});

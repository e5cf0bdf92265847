// F5: Postgres stops at once, stays away for 30 s or freezes for 20 s while runs are under way. What asks gets an
// answer in time, and every run goes on. Outages are mostly waiting, so two stands have theirs at the same time.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { marked } from '../chaos/fake-model.ts';
import type { Program } from '../chaos/program.ts';
import { createRequests } from '../chaos/requests.ts';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { openStand, type Stand } from '../support/stand.ts';
import { withFaults } from '../support/with-faults.ts';

const theatre = await openTheatre();
const [first, second] = await Promise.all([
  openStand(theatre.model.url),
  withFaults ? openStand(theatre.model.url) : undefined,
]);

/** Runs that have something under way in every second of the outage. */
function busy(name: string): Program[] {
  return Array.from({ length: 8 }, (_, index) =>
    aProgram([
      { words: 20, wordMs: 200, calls: [anEffect(`${name}-${index}-1`, { beforeMs: 2_000 })] },
      {
        words: 5,
        wordMs: 200,
        calls: [
          { kind: 'write', path: `${name}-${index}.txt`, content: name },
          anEffect(`${name}-${index}-2`),
        ],
      },
      { words: 20, wordMs: 20 },
    ]),
  );
}

/** Starts them; resolves when all have begun. */
async function play({ roles }: Stand, name: string) {
  const programs = busy(name);
  const playing = theatre.play(roles, programs);
  await theatre.allBegun(programs);
  return { ended: async () => theatre.expectRight(roles, await playing), playing };
}

async function stopAtOnce(stand: Stand) {
  const { servers } = stand;
  const { playing, ended } = await play(stand, 'stopped');
  await sleep(1_000);
  await servers.signal('postgres', 'SIGQUIT');
  await servers.start('postgres');
  const runs = await ended();
  return (await playing).map((each) => onlyRun(runs, each).calls.map(({ status }) => status));
}

/** Resolves with how long each request took to be refused. */
async function stayAway(stand: Stand): Promise<number[]> {
  const { roles, servers } = stand;
  const { ended } = await play(stand, 'away');
  await servers.signal('postgres', 'SIGQUIT');
  const awayUntil = Date.now() + 30_000;
  const took: number[] = [];
  while (Date.now() < awayUntil) {
    const startedAt = Date.now();
    const headers = { authorization: `Bearer ${roles.token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ prompt: 'refused', model: 'compatible/fake' });
    const response = await fetch(`${roles.url}/api/v1/runs`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    expect(response.status === 503 && response.headers.get('retry-after')).toBeTruthy();
    took.push(Date.now() - startedAt);
    await sleep(500);
  }
  await servers.start('postgres');
  await ended();
  return took;
}

/** Resolves with the answers to requests that were sent while it was frozen. */
async function freeze(stand: Stand) {
  const { roles, servers } = stand;
  const { ended } = await play(stand, 'frozen');
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
  await ended();
  return sent;
}

test('after an immediate stop of Postgres every run goes on, and nothing is asked or done twice', async () => {
  const statuses = await stopAtOnce(first);
  expect(statuses).toEqual(statuses.map(() => ['succeeded', 'succeeded', 'succeeded']));
  expect(statuses.length).toBe(8);
});

describe('an outage of half a minute', { tags: ['faults'] }, () => {
  let outages: { away: ReturnType<typeof stayAway>; frozen: ReturnType<typeof freeze> };

  beforeAll(() => {
    if (!second) throw new Error('There is no second stand.');
    outages = { away: stayAway(first), frozen: freeze(second) };
    // Each is waited for by its test and told there.
    for (const outage of Object.values(outages)) outage.catch(() => undefined);
  });

  test('with Postgres frozen for 20 s, no request hangs beyond its timeout and nothing acknowledged is lost', async () => {
    const sent = await outages.frozen;
    const slowest = Math.max(...sent.map(({ longestMs }) => longestMs));
    console.log(`Postgres frozen: the slowest request took ${slowest} ms of its tries`);
    // A statement may take 15 s and a connection 5 s before the server gives up and says so.
    expect(slowest).toBeLessThan(25_000);
    expect(new Set(sent.map(({ answer }) => answer['id'])).size).toBe(10);
  });

  test('with Postgres away for 30 s, requests are refused in time, and afterwards every run goes on by itself', async () => {
    const took = await outages.away;
    console.log(`Postgres away: ${took.length} requests refused, the slowest after ${Math.max(...took)} ms`);
    expect(took.length).toBeGreaterThan(0);
  });
});

// F4: Temporal dies or freezes while runs are under way. What was accepted waits and goes on; healthy work is not
// disturbed. On one stand it is killed, on the other it is frozen, at the same time.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { marked } from '../chaos/fake-model.ts';
import type { Program } from '../chaos/program.ts';
import { createRequests } from '../chaos/requests.ts';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { until } from '../support/platform.ts';
import { openStand, type Stand } from '../support/stand.ts';

// Past it a wait says what it waited for.
const longestMs = 90_000;

const theatre = await openTheatre();

const [killing, freezing] = await Promise.all([openStand(theatre.model.url), openStand(theatre.model.url)]);

/** Twenty runs: ten in the middle of an answer, ten in the middle of a command, each for so many seconds. */
function twentyLong(name: string, seconds: number): Program[] {
  return Array.from({ length: 20 }, (_, index) =>
    index % 2 === 0
      ? aProgram([{ words: seconds * 4, wordMs: 250 }])
      : aProgram([{ words: 2, calls: [anEffect(`${name}-${index}`, { beforeMs: seconds * 1_000 })] }]),
  );
}

interface Pause {
  stand: Stand;
  how: 'killed' | 'frozen';
  seconds: number;
  /** What is done while Temporal is away; the pause lasts at least as long. */
  meanwhile?: () => Promise<void>;
}

/** What became of twenty calls in flight. */
async function throughPause({ stand, how, seconds, meanwhile }: Pause) {
  const { servers, roles } = stand;
  const programs = twentyLong(`temporal-${how}-${seconds}`, seconds + 4);
  const playing = theatre.play(roles, programs);
  await theatre.allBegun(programs);
  await sleep(2_000);
  await servers.signal('temporal', how === 'killed' ? 'SIGKILL' : 'SIGSTOP');
  await Promise.all([sleep(seconds * 1_000), meanwhile?.()]);
  if (how === 'killed') await servers.start('temporal');
  else await servers.signal('temporal', 'SIGCONT');
  const played = await playing;
  const runs = await theatre.expectRight(roles, played);
  const states = played.map((each) => onlyRun(runs, each));
  return {
    ended: new Set(states.map(({ run }) => run.status)),
    restarted: states.flatMap(({ attempts }) => attempts).filter(({ attempt }) => attempt > 1).length,
    askedTwice: programs.flatMap(theatre.asksOf).filter(({ attempt }) => attempt > 1).length,
  };
}

const undisturbed = { ended: new Set(['succeeded']), restarted: 0, askedTwice: 0 };

test.each([2, 5])(
  'with Temporal killed or frozen for %i s, none of 20 calls in flight is restarted or billed twice',
  { tags: ['faults'] },
  async (seconds) => {
    const [killed, frozen] = await Promise.all([
      throughPause({ stand: killing, how: 'killed', seconds }),
      throughPause({ stand: freezing, how: 'frozen', seconds }),
    ]);
    expect({ killed, frozen }).toEqual({ killed: undisturbed, frozen: undisturbed });
  },
);

test('nor with Temporal killed or frozen for 10 s, while work is accepted with 202, waits as queued, and steers are rows that are applied later', async () => {
  const { roles } = killing;
  const running = aProgram([{ words: 60, wordMs: 100, calls: [anEffect('steered')] }], {
    acts: [{ kind: 'steer', atStep: 1, text: 'said as soon as Temporal is back' }],
  });
  const requests = createRequests({ url: roles.url, token: roles.token, name: 'temporal-away' });
  const ids: string[] = [];
  let playing: ReturnType<typeof theatre.play> | undefined;

  async function acceptWork(): Promise<void> {
    const waited = sleep(9_000);
    const sent = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        requests.post('/runs', { prompt: `hello ${marked(`away/${index}`)}`, model: 'compatible/fake' }),
      ),
    );
    expect(sent.map(({ status, tries }) => [status, tries])).toEqual(sent.map(() => [202, 1]));
    // Who waited for it without a deadline would wait for 20 s at least.
    expect(Math.max(...sent.map(({ longestMs }) => longestMs)), 'nobody waits for Temporal').toBeLessThan(
      15_000,
    );
    ids.push(...sent.map(({ answer }) => String(answer['id'])));
    await waited;
    const views = await Promise.all(ids.map((id) => roles.client.run(id)));
    expect(new Set(views.map(({ status }) => status))).toEqual(new Set(['queued']));
    // Reading works, and a steer of a run that waits is a row.
    const steer = await requests.post(`/runs/${ids[0]}/steer`, { text: 'said early', messageId: 'early' });
    expect(steer.status).toBe(202);
    playing = theatre.play(roles, [running]);
  }

  const [killed, frozen] = await Promise.all([
    throughPause({ stand: killing, how: 'killed', seconds: 10, meanwhile: acceptWork }),
    throughPause({ stand: freezing, how: 'frozen', seconds: 10 }),
  ]);
  expect({ killed, frozen }).toEqual({ killed: undisturbed, frozen: undisturbed });
  const allEnded = async (): Promise<boolean> => {
    const now = await Promise.all(ids.map((id) => roles.client.run(id)));
    return now.every(({ status }) => status === 'succeeded');
  };
  await until(allEnded, longestMs, () => `Not all have succeeded:\n${roles.log().slice(-3_000)}`, 100);
  const { items } = await roles.client.runEvents(ids[0] ?? '', { type: 'steer-response' });
  expect(items.map(({ payload }) => payload)).toEqual([
    { messageId: 'early', outcome: 'applied', step: 1, reason: null },
  ]);
  await theatre.expectRight(roles, (await playing) ?? []);
});

// Pruning and deleting from the command line, against the real API.
import { expect, test } from 'vitest';
import { createPruneChore } from '../../../../api/upkeep/prune-chore.ts';
import { ageRuns, sweepsIn } from '../../../support/retention.ts';
import { storeOver, anAttempt } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { streamFor } from '../../../../activities/store/runs/runs.ts';
import { afterEnd } from '../../../../activities/store/lifecycle/after-end.ts';
import { eventually, startApi } from '../captured.ts';

/** A finished run whose answer streamed in two pieces. */
async function finished(api: TestApp): Promise<string> {
  const store = storeOver('', api.database, api.log);
  const run = await store.started();
  const attempt = anAttempt(run, 'model/1');
  await store.open(attempt);
  const pieces = ['Hel', 'lo.'].map((text) => ({
    type: 'text-delta' as const,
    payload: { step: 1, block: 0, text },
  }));
  await api.log.append({ ...streamFor(run), events: pieces, fence: attempt });
  await store.answer(attempt, { text: 'Hello.' });
  await afterEnd(api.log, await store.end(run));
  return run.id;
}

const pruningOf = (api: TestApp) => createPruneChore({ ...api.deps, sweeps: sweepsIn(api) });

test('prune shows what would go, asks, and tells what went; watch shows the whole messages that are left', async () => {
  const { api, call, attend } = await startApi();
  const id = await finished(api);
  await ageRuns(api, 31);
  const dry = call('prune', '--dry-run');
  expect(await dry.code).toBe(0);
  expect(dry.out()).toMatch(/^events +30 days +2 +[\d.]+ B/m);
  expect(dry.out()).toMatch(/^audit +for ever/m);
  const json = call('prune', '--dry-run', '--json', '--older-than', '8w');
  expect([await json.code, JSON.parse(json.out()).items.length]).toEqual([0, 28]);
  // Nobody is there to be asked.
  const alone = call('prune');
  expect([await alone.code, alone.err()]).toEqual([2, expect.stringContaining('--yes')]);
  const no = attend('prune');
  await eventually(() => (no.out().includes('[y/N]') ? true : undefined));
  no.type('\r');
  expect([await no.code, no.err()]).toEqual([1, 'Nothing was removed.\n']);
  const yes = call('prune', '--yes');
  await eventually(async () => (yes.err() === '' ? undefined : true));
  // On a busy machine one slice of time is not enough.
  await eventually(async () => {
    await pruningOf(api).act();
    const { rows } = await api.database.pool.query('select from prunings where finished_at is null');
    return rows.length === 0 ? true : undefined;
  });
  expect(await yes.code).toBe(0);
  expect(yes.out()).toMatch(/^events +2 +/m);
  const watched = call('watch', id);
  expect(await watched.code).toBe(0);
  expect(watched.out()).toMatch(/— events up to \d+ are folded[^]*\nHello\.\n[^]*succeeded/);
  for (const [args, said] of [
    [['--older-than', '1y'], '30d'],
    [['--older-than', '10s'], 'a minute'],
    [['--yes', '--runs'], 'olderThanSeconds'],
  ] as const) {
    const wrong = call('prune', ...args);
    expect([await wrong.code, wrong.err()]).toEqual([2, expect.stringContaining(said)]);
  }
});

test('delete asks about the run by its prompt, says what is gone and what remains', async () => {
  const { api, call, attend } = await startApi();
  const id = await finished(api);
  const asked = attend('delete', 'run', id);
  await eventually(() =>
    asked.out().includes('Delete the succeeded run "Say hello." for good? [y/N]') ? true : undefined,
  );
  asked.type('y\r');
  expect(await asked.code).toBe(0);
  expect(asked.out()).toMatch(/deleted 1 run, \d+ events, 2 messages, 0 calls and the conversation/);
  expect(asked.err()).toMatch(/remains audit[^]*remains Temporal/);
  const again = call('delete', 'run', id, '--yes');
  expect([await again.code, again.err()]).toEqual([1, `perdure: There is no run ${id}.\n`]);
  const alone = call('delete', 'conversation', id);
  expect(await alone.code).toBe(1);
  const wrong = call('delete', 'project', id);
  expect([await wrong.code, wrong.err()]).toEqual([
    2,
    expect.stringContaining('Allowed choices are run, conversation'),
  ]);
});

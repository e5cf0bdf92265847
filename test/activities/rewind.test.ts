import { setTimeout as sleep } from 'node:timers/promises';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createRewindProject } from '../../activities/rewind.ts';
import { noteTree } from '../../activities/store/lifecycle/begin-run.ts';
import { askUndo, endRewind } from '../../activities/store/lifecycle/rewinds.ts';
import { findRewind } from '../../activities/store/runs/rewinds.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { delegatingRun } from '../support/delegating.ts';
import { openTestStore } from '../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
const [start, end] = ['a'.repeat(40), 'b'.repeat(40)];
let folders = 0;

function aFolder(): string {
  folders += 1;
  return `/srv/rewound-${folders}`;
}

/** A run that was cancelled with undo: its rewind is open. */
async function cancelled(run: RunRow): Promise<RunRow> {
  await noteTree(db, run.id, 'start', start);
  await store.log.write('test', (write) => askUndo(write, run, 'ada'));
  await store.end(await store.run(run.id), { status: 'cancelled', reason: 'cancelled' });
  return store.run(run.id);
}

interface Seen {
  acts: string[];
  started: RunRow[];
}

/** The activity over trees that only say what was asked of them. */
function activityOver(seen: Seen, trees: { rewind?(): Promise<void>; record?(): Promise<void> } = {}) {
  return createRewindProject({
    log: store.log,
    logger: pino({ level: 'silent' }),
    endBackground: async () => void seen.acts.push('begin'),
    killHandle: async () => 'gone',
    startRun: (run: RunRow) => void seen.started.push(run),
    trees: {
      async record() {
        seen.acts.push('record');
        await trees.record?.();
        return { tree: end, ignored: [] };
      },
      async rewind() {
        seen.acts.push('rewind');
        await trees.rewind?.();
        return { tree: start, restored: 1, kept: [] };
      },
    },
  } as unknown as ActivityDeps);
}

/** One attempt of it, as Temporal makes it and may give it up. */
function attempt(rewinding: ReturnType<typeof activityOver>, run: RunRow) {
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  cancelled.catch(() => undefined);
  const context = { cancelled, heartbeat() {} } as unknown as Context;
  const input = { tenantId: run.tenant_id, runId: run.id, rewindId: run.rewind_id ?? '' };
  const done = asyncLocalStorage.run(context, () => rewinding({ ...input, executionId: 'rewind-1' }));
  done.catch(() => undefined);
  return { done, giveUp: () => reject(new CancelledFailure('TIMED_OUT')) };
}

async function outcomeOf(run: RunRow): Promise<string | undefined> {
  const of = { tenantId: run.tenant_id, runId: run.id, rewindId: run.rewind_id ?? '' };
  return (await findRewind(db, of))?.status;
}

async function until(seen: Seen, act: string): Promise<void> {
  while (!seen.acts.includes(act)) await sleep(10);
}

// Long enough for what must not happen.
const aWhileMs = 400;

test('an attempt that Temporal has given up ends though the disk is full, and only then its successor begins', async () => {
  const run = await cancelled(await store.started({ projectPath: aFolder() }));
  const seen: Seen = { acts: [], started: [] };
  let isFull = true;
  const rewinding = activityOver(seen, {
    async record() {
      if (isFull) throw Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });
    },
  });
  const begun = () => seen.acts.filter((act) => act === 'begin').length;
  const first = attempt(rewinding, run);
  await until(seen, 'record');
  const second = attempt(rewinding, run);
  await sleep(aWhileMs);
  expect(begun()).toBe(1);
  first.giveUp();
  await expect(first.done).rejects.toThrow('Temporal has given this attempt up: TIMED_OUT.');
  isFull = false;
  await second.done;
  expect([begun(), seen.acts.filter((act) => act === 'rewind'), await outcomeOf(run)]).toEqual([
    ...[2, ['rewind'], 'done'],
  ]);
});

test('nothing is restored any more once the rewind has ended', async () => {
  const run = await cancelled(await store.started({ projectPath: aFolder() }));
  const seen: Seen = { acts: [], started: [] };
  const rewinding = activityOver(seen, {
    async record() {
      const row = { tenant_id: run.tenant_id, run_id: run.id, id: run.rewind_id ?? '' };
      const gone = { status: 'failed', problem: 'Its workflow is gone.' } as const;
      await store.log.write('test', (write) => endRewind(write, row, gone));
    },
  });
  await attempt(rewinding, run).done;
  expect([seen.acts, await outcomeOf(run)]).toEqual([['begin', 'record'], 'failed']);
});

test('a cancelled run is taken back when its subagents have ended, and then the next of its conversation begins', async () => {
  const { parent, child } = await delegatingRun(store, { projectPath: aFolder() });
  await store.begin(child);
  const { run: next } = await store.accept({
    ...{ conversationId: parent.conversation_id, projectPath: parent.project_path, whenBusy: 'queue' },
  });
  const run = await cancelled(parent);
  const seen: Seen = { acts: [], started: [] };
  const { done } = attempt(activityOver(seen), run);
  await until(seen, 'begin');
  await sleep(aWhileMs);
  expect(seen).toEqual({ acts: ['begin'], started: [] });
  await store.end(await store.run(child.id), { status: 'cancelled', reason: 'cancelled' });
  await done;
  expect([seen.acts, seen.started.map(({ id }) => id), await outcomeOf(run)]).toEqual([
    ...[['begin', 'record', 'rewind'], [next.id], 'done'],
  ]);
});

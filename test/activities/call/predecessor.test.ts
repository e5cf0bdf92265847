// What becomes of a call that took three workers down: it is not made again, and what it may have done is not denied.
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { judgePredecessor } from '../../../activities/call/predecessor.ts';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { noteHandle } from '../../../activities/store/runs/attempts.ts';
import { noteIntent } from '../../../activities/store/calls/calls.ts';
import { createBackground } from '../../../activities/tools/background.ts';
import { createTools } from '../../../activities/tools/index.ts';
import type { ToolContext } from '../../../activities/tools/tool.ts';
import { aCall, anAttempt, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const tools = createTools({ background: createBackground(), egress: publicEgress });
const handle = { kind: 'mount', id: 'a command' };

const calls = {
  shell: { effect: 'execute', repeat: 'once', input: { command: 'date' } },
  write: { effect: 'write', repeat: 'once', input: { path: 'a', content: '1' } },
  list: { effect: 'read', repeat: 'safe', input: { path: '.' } },
} as const;

async function judged(name: keyof typeof calls, begun: boolean) {
  const tool = tools.find((each) => each.name === name)!;
  const run = await store.started({});
  await store.step(run, 1, { calls: [aCall('1.0', { tool: name, ...calls[name] })] });
  const first = await store.claim(anAttempt(run, 'call/1.0', 1, randomUUID()));
  if (first.kind !== 'claimed') throw new Error(`The call was not claimed: it is ${first.kind}.`);
  const { db } = store.database;
  if (begun && name === 'shell') await noteHandle(db, first.ref, handle);
  if (begun && name === 'write') await noteIntent(db, first.call, { before: '1', after: '2' });
  for (const number of [2, 3]) await store.claim(anAttempt(run, 'call/1.0', number, randomUUID()));
  const attempt = anAttempt(run, 'call/1.0', 4, randomUUID());
  const claim = await store.claim(attempt);
  if (claim.kind !== 'claimed' || !claim.predecessor) throw new Error('The fourth attempt finds no other.');
  const deps = { log: store.log, killHandle: async () => 'gone' } as Partial<ActivityDeps> as ActivityDeps;
  const { signal } = new AbortController();
  return judgePredecessor(deps, {
    ...{ run, call: claim.call, tool, predecessor: claim.predecessor },
    attempt: { task: attempt, ref: claim.ref, signal, supersede() {} },
    context: {} as ToolContext,
  });
}

describe('a call that took three workers down', () => {
  test.for(['shell', 'write'] as const)(
    'has an unknown outcome when something of %s had begun',
    async (name) => {
      expect(await judged(name, true)).toEqual({
        status: 'unknown',
        output: `Not tried again: ${name} took its worker down 3 times. Nobody can tell how much of it took effect.`,
        failed: true,
      });
    },
  );

  test.for(['shell', 'write', 'list'] as const)('has failed when nothing of %s had begun', async (name) => {
    expect(await judged(name, false)).toEqual({
      status: 'failed',
      output: `Not tried again: ${name} took its worker down 3 times.`,
      failed: true,
    });
  });
});

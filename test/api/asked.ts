// A run under a profile of a test's own: what its calls would be told, and what it has asked.
import { createProfiles } from '../../activities/store/policies/policy-scopes.ts';
import { reviewFor } from '../../activities/call/review.ts';
import type { ReviewedCall } from '../../activities/store/calls/reviewed-calls.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { createBackground } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/egress/egress.ts';
import { createTools } from '../../activities/tools/index.ts';
import type { PolicyProfile } from '../../workflows/contracts/policy.ts';
import { storeOver } from '../support/store.ts';
import type { TestApp } from '../support/test-app.ts';
import { startRun } from './stream/streams.ts';

export const own: PolicyProfile = {
  id: 'own',
  name: 'Own',
  description: 'Asks before commands.',
  mode: 'acceptEdits',
  rules: [
    { effect: 'execute', commands: ['rm **'], decision: 'deny', reason: 'nothing is removed' },
    { effect: 'execute', decision: 'ask' },
  ],
  limits: { steps: 5, seconds: 60, costMicros: 1000 },
  stall: null,
};

const tools = createTools({
  background: createBackground(),
  egress: publicEgress,
});

/** What a run's commands would be told now. */
export async function reviewed(
  api: TestApp,
  runId: string,
  step: number,
  ...commands: string[]
): Promise<ReviewedCall[]> {
  const { db } = api.database;
  const run = await storeOver('', api.database, api.log).run(runId);
  const calls = commands.map((command) => ({ id: 'p', name: 'shell', input: JSON.stringify({ command }) }));
  return reviewFor(
    { tools, db, profileOf: createProfiles(), place: (of) => of.project_path },
    run,
    step,
    calls,
  );
}

interface Asked {
  run: RunRow;
  approvalOf(callId: string): Promise<string>;
}

/** A run under `own` that has asked about these commands, in one step. */
export function asked(api: TestApp, step: number, ...commands: string[]): Promise<Asked> {
  return askedIn('/srv/shop', api, step, ...commands);
}

export async function askedIn(
  project: string,
  api: TestApp,
  step: number,
  ...commands: string[]
): Promise<Asked> {
  const store = storeOver('', api.database, api.log);
  const { id } = await startRun(api, { policy: 'own', attended: true, project: { path: project } });
  await store.begin(await store.run(id));
  const run = await store.run(id);
  await store.step(run, step, { calls: await reviewed(api, id, step, ...commands) });
  return {
    run,
    async approvalOf(callId) {
      const { items } = (await api.ask('GET', `/approvals?runId=${id}`)).json<{
        items: { id: string; callId: string }[];
      }>();
      return items.find((item) => item.callId === callId)?.id ?? '';
    },
  };
}

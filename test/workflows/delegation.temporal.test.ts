import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type { ScenarioStep } from '../../activities/llm/scenario.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { childrenOf } from '../../activities/store/delegation/delegations.ts';
import { createPolicy } from '../../activities/store/policies/policies.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { fire } from '../../activities/store/lifecycle/fire.ts';
import { createSweeper } from '../../api/upkeep/sweeper.ts';
import type { EventPayload } from '../../workflows/contracts/event.ts';
import type { PolicyProfile } from '../../workflows/contracts/policy.ts';
import { builtInVersion, findProfile } from '../../workflows/policy/presets.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { answer } from '../support/answer.ts';
import { startNeeds } from '../support/start-needs.ts';
import { story } from '../support/story.ts';

/** What a model reads of a run beside the prompt: results and notes, in order. */
async function told({ store }: Kernel, run: RunRow): Promise<string[]> {
  const context = await readContext(store.database.db, defaultTenant, run.id);
  return context.filter(({ role, internal }) => role === 'tool' || internal).map(({ text }) => text);
}

async function children(
  { store }: Kernel,
  run: RunRow,
): Promise<{ name: string; state: string; run: RunRow }[]> {
  const rows = await childrenOf(store.database.db, run.id);
  const found = await Promise.all(
    rows.map(async ({ name, state, child_id }) => ({ name, state, run: await store.run(child_id) })),
  );
  return found.sort((one, other) => (one.name < other.name ? -1 : 1));
}

function delegate(prompt: string, name?: string, tool = 'delegate') {
  return { tool, input: { prompt, ...(name !== undefined && { name }) } };
}

/** A model that is asked by the run and by its subagents: each answers to its own prompt. */
function answering(prompt: string, ...steps: ScenarioStep[]): ScenarioStep[] {
  return steps.map((step) => ({ ...step, match: { ...step.match, lastMessage: prompt } }));
}

const untilGo = { tool: 'shell', input: { command: 'until [ -e go ]; do sleep 0.02; done' } };

withKernel((kernel) => {
  // Starts and wakes that a loaded machine loses are repeated, as in the product.
  beforeAll(() => {
    const { logger, store, upkeep } = kernel;
    const sweeper = createSweeper({ db: store.log.db, kinds: upkeep, logger, everyMs: 200 });
    return () => sweeper.close();
  });

  test('subagents work side by side, and each is the result of the call that asked for it', async () => {
    const model = await kernel.script(
      ...answering('main work', { calls: [delegate('part a', 'reader'), delegate('part b')] }),
      ...answering('part a', { text: 'A is done.' }),
      ...answering('part b', { text: 'B is done.' }),
      { match: { lastResult: 'B is done' }, text: 'Both: {{result:0}} {{result:1}}' },
    );
    const run = await kernel.start({ model, prompt: 'main work' });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      final_message:
        'Both: The subagent reader has finished:\nA is done. The subagent agent-1.1 has finished:\nB is done.',
    });
    expect(await children(kernel, run)).toMatchObject([
      { name: 'agent-1.1', state: 'delivered', run: { status: 'succeeded', kind: 'subagent', steps: 1 } },
      { name: 'reader', state: 'delivered', run: { status: 'succeeded', kind: 'subagent', steps: 1 } },
    ]);
    expect((await story(kernel, run)).filter((line) => /^(call|delegation)/.test(line)).toSorted()).toEqual([
      ...['call-end 1.0 succeeded', 'call-end 1.1 succeeded', 'call-start 1.0', 'call-start 1.1'],
      ...['delegation-end', 'delegation-end', 'delegation-start', 'delegation-start'],
    ]);
  });

  test('a subagent that a person allowed is waited for as any other', async () => {
    const rules = [{ tool: 'delegate', decision: 'ask' as const }, { decision: 'allow' as const }];
    const profile = { ...findProfile('ask-everything'), id: 'ask-to-delegate', rules } as PolicyProfile;
    await kernel.store.log.write('test', (write) =>
      createPolicy(write, profile, { tenantId: defaultTenant, by: 'test' }),
    );
    const projectPath = await kernel.project();
    const model = await kernel.script(
      ...answering('main work', { calls: [delegate('part a', 'reader')] }, { text: 'Done: {{result:0}}' }),
      ...answering('part a', { calls: [untilGo] }, { text: 'A is done.' }),
    );
    const run = await kernel.start({
      ...{ model, prompt: 'main work', projectPath, attended: true, policy: profile.id },
      policyScopes: [{ scope: 'run', id: profile.id, version: 1 }],
    });
    const asked = await kernel.seen(run, 'approval-request');
    await answer(kernel, run, (asked.payload as EventPayload<'approval-request'>).approvalId);
    const begun = await kernel.seen(run, 'delegation-start');
    const { runId } = begun.payload as EventPayload<'delegation-start'>;
    await kernel.seen(await kernel.store.run(runId), 'call-start');
    await writeFile(path.join(projectPath, 'go'), '');
    expect(await kernel.ended(run)).toMatchObject({
      ...{ status: 'succeeded', steps: 2 },
      final_message: 'Done: The subagent reader has finished:\nA is done.',
    });
    expect((await story(kernel, run)).filter((line) => /^(step-start|call-end)/.test(line))).toEqual([
      ...['step-start 1', 'call-end 1.0 succeeded', 'step-start 2'],
    ]);
  });

  test('a run that has nothing left to do waits for the subagents it did not wait for, and hears of each once', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      ...answering('main work', {
        calls: [delegate('part a', 'reader', 'delegate-async'), { tool: 'peek', input: { name: 'reader' } }],
      }),
      ...answering('part a', { calls: [untilGo] }, { text: 'A is done.' }),
      ...answering('main work', { text: 'I wait.' }, { text: 'All done.' }),
    );
    const run = await kernel.start({ model, prompt: 'main work', projectPath });
    await expect.poll(async () => (await kernel.store.run(run.id)).status).toBe('waiting_workers');
    await writeFile(path.join(projectPath, 'go'), '');
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      final_message: 'All done.',
      steps: 3,
    });
    expect(await told(kernel, run)).toEqual([
      expect.stringMatching(/^The subagent reader is at work: run [0-9a-f-]{36}\.$/),
      expect.stringMatching(/^reader: (queued|running) after \d steps\./),
      'The subagent reader has finished:\nA is done.',
    ]);
    expect(await children(kernel, run)).toMatchObject([{ name: 'reader', state: 'delivered' }]);
  });

  test('a run that waits for its subagents has what they said as the result, and the same name goes on', async () => {
    const wait = { tool: 'wait', input: {} };
    const model = await kernel.script(
      ...answering(
        'main work',
        {
          calls: [
            delegate('part a', 'reader', 'delegate-async'),
            delegate('part b', 'writer', 'delegate-async'),
          ],
        },
        { calls: [wait] },
        { calls: [wait, { tool: 'wait', input: { names: ['nobody'] } }, delegate('part c', 'reader')] },
        { text: 'All done.' },
      ),
      ...answering('part a', { text: 'A is done.' }),
      ...answering('part b', { text: 'B is done.' }),
      ...answering('part c', { text: 'C is done, after A.' }),
    );
    const run = await kernel.start({ model, prompt: 'main work' });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      final_message: 'All done.',
      steps: 4,
    });
    const all = await told(kernel, run);
    for (const part of ['A is done.', 'B is done.'])
      expect(all.filter((text) => text.includes(part)).length, part).toBe(1);
    expect(all.join('\n')).toContain('There is no subagent "nobody" to wait for. There are: reader, writer.');
    expect(all.at(-1)).toBe('The subagent reader has finished:\nC is done, after A.');
    const rows = await children(kernel, run);
    const [first, second] = rows.filter(({ name }) => name === 'reader');
    expect(second?.run.parent_id).toBe(first?.run.id);
  });

  test.each(['interrupt', 'cancel'] as const)(
    '%s reaches all below, and what they report is late',
    async (kind) => {
      const projectPath = await kernel.project();
      const model = await kernel.script(
        ...answering('main work', { calls: [delegate('part a', 'reader')] }),
        ...answering('part a', { calls: [delegate('part b', 'inner')] }),
        ...answering('part b', { calls: [untilGo] }),
      );
      const run = await kernel.start({ model, prompt: 'main work', projectPath });
      const [child] = await vi.waitFor(async () => {
        const [reader] = await children(kernel, run);
        const inner = reader && (await children(kernel, reader.run));
        expect(inner?.[0]?.run.steps).toBe(1);
        return [reader?.run as RunRow];
      }, 120_000);
      await kernel.stop(run, kind);
      const status = kind === 'cancel' ? 'cancelled' : 'interrupted';
      expect(await kernel.ended(run)).toMatchObject({ status });
      if (!child) throw new Error('no child');
      expect(await kernel.ended(child)).toMatchObject({ status });
      const [inner] = await children(kernel, child);
      expect(await kernel.ended(inner?.run as RunRow)).toMatchObject({ status });
      expect([...(await children(kernel, run)), ...(await children(kernel, child))]).toMatchObject([
        { state: 'late' },
        { state: 'late' },
      ]);
      expect(await told(kernel, run)).toEqual([
        'Stopped: the run ended while this waited for a subagent, which was told to stop.',
      ]);
    },
  );

  test('an interrupt leaves those alone that the run did not wait for, and a continuation is told what they say', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      ...answering('main work', { calls: [delegate('part a', 'reader', 'delegate-async'), untilGo] }),
      ...answering('part a', { calls: [untilGo] }, { text: 'A is done.' }),
      { text: 'I have read it.' },
    );
    const run = await kernel.start({ model, prompt: 'main work', projectPath });
    const child = await vi.waitFor(async () => {
      const [reader] = await children(kernel, run);
      expect(reader?.run.steps).toBe(1);
      return reader?.run as RunRow;
    }, 120_000);
    await kernel.stop(run, 'interrupt');
    expect(await kernel.ended(run)).toMatchObject({ status: 'interrupted' });
    expect((await kernel.store.run(child.id)).ended_at).toBeNull();
    await writeFile(path.join(projectPath, 'go'), '');
    expect(await kernel.ended(child)).toMatchObject({ status: 'succeeded' });
    const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
    const { run: next } = await kernel.store.log.write('fire', (write) =>
      fire(write, startNeeds, starter, { conversationId: run.conversation_id }, async () => 'kept'),
    );
    kernel.runs.started(next);
    expect(await kernel.ended(next)).toMatchObject({
      ...{ status: 'succeeded', parent_id: run.id, final_message: 'I have read it.' },
    });
    expect((await told(kernel, next)).at(-1)).toBe('Call 1.0. The subagent reader has finished:\nA is done.');
  });

  test('a subagent that fails is the result of its call, and agents that only hand work on stop at the third', async () => {
    const model = await kernel.script(
      { calls: [delegate('deeper')] },
      { match: { lastResult: 'has ended as' }, text: 'It failed: {{result:0}}' },
      { match: { lastResult: 'at most 3 deep' }, error: { kind: 'bad_request' } },
      { text: 'Done: {{result:0}}' },
    );
    const run = await kernel.start({ model, prompt: 'deeper' });
    const ended = await kernel.ended(run);
    expect(ended).toMatchObject({ status: 'succeeded', steps: 2 });
    const statuses: string[] = [];
    for (let [next] = await children(kernel, run); next; [next] = await children(kernel, next.run))
      statuses.push(`${next.state} ${next.run.status}`);
    expect(statuses).toEqual(['delivered succeeded', 'delivered succeeded', 'delivered failed']);
  });

  test('what a subagent asks people is told on the stream of the main run, and answered it goes on', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      ...answering('main work', { calls: [delegate('part a', 'reader')] }, { text: 'Done: {{result:0}}' }),
      ...answering(
        'part a',
        { calls: [{ tool: 'shell', input: { command: 'touch here' } }] },
        { text: 'Touched.' },
      ),
    );
    const run = await kernel.start({
      ...{ model, prompt: 'main work', projectPath, attended: true, policy: 'ask-before-changes' },
      policyScopes: [{ scope: 'run', id: 'ask-before-changes', version: builtInVersion }],
    });
    const asked = await kernel.seen(run, 'delegation-approval');
    const { approvalId, runId, name } = asked.payload as EventPayload<'delegation-approval'>;
    expect(name).toBe('reader');
    const child = await kernel.store.run(runId);
    expect(child.status).toBe('awaiting_input');
    await answer(kernel, child, approvalId);
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      final_message: 'Done: The subagent reader has finished:\nTouched.',
    });
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';
import type { ScenarioStep } from '../../activities/llm/scenario.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';

async function toolMessages({ store }: Kernel, run: RunRow): Promise<(string | undefined)[][]> {
  const context = await readContext(store.database.db, defaultTenant, run.id);
  return context.filter(({ role }) => role === 'tool').map(({ callId, text }) => [callId, text]);
}

const shell = (command: string) => ({ tool: 'shell', input: { command } });

withKernel((kernel) => {
  test('a run answers and ends', async () => {
    const run = await kernel.start({ model: await kernel.script({ text: 'Hello there.' }) });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      reason: 'finished',
      final_message: 'Hello there.',
      steps: 1,
    });
    expect(await story(kernel, run)).toEqual([
      'run-queued',
      'run-start',
      'step-start 1',
      'text: Hello there.',
      'message-end Hello there.',
      'step-end 1',
      'run-end succeeded finished',
    ]);
    expect(await kernel.shown(run)).toEqual({
      status: 'COMPLETED',
      result: { status: 'succeeded', reason: 'finished', steps: 1, costMicros: 0 },
      failure: undefined,
      summary: `${run.model} · no project`,
      details: [
        `- Model: \`${run.model}\``,
        '- Project: none',
        `- Policy: \`${run.policy}\``,
        `- Conversation: \`${run.conversation_id}\``,
        `- [Open the run on the page](/#run=${run.id})`,
      ].join('\n'),
    });
  });

  test('writes and commands are made in the order written, whatever fails, and the project is what they made of it', async () => {
    const projectPath = await kernel.project();
    const calls: ScenarioStep['calls'] = [
      { tool: 'list', input: { path: '.' } },
      // Side by side the quick ones would be first.
      shell('sleep 0.3; echo first >> note.md'),
      shell('echo second >> note.md; false'),
      { tool: 'edit', input: { path: 'note.md', old: 'first\nsecond', new: 'both' } },
      shell('cat note.md'),
      { tool: 'read', input: { path: 'note.md' } },
    ];
    const model = await kernel.script({ text: 'All at once.', calls }, { text: 'Done: {{result:4}}' });
    const run = await kernel.start({ model, projectPath });
    expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
    const messages = await toolMessages(kernel, run);
    expect(messages.map(([callId]) => callId)).toEqual(['1.0', '1.1', '1.2', '1.3', '1.4', '1.5']);
    expect(messages[4]?.[1]).toBe('both\n[exit code 0]');
    expect((await story(kernel, run)).filter((line) => line.startsWith('call-'))).toEqual([
      ...['call-start 1.0', 'call-end 1.0 succeeded'],
      ...['call-start 1.1', 'call-end 1.1 succeeded'],
      ...['call-start 1.2', 'call-end 1.2 failed'],
      ...['call-start 1.3', 'call-end 1.3 succeeded'],
      ...['call-start 1.4', 'call-end 1.4 succeeded'],
      ...['call-start 1.5', 'call-end 1.5 succeeded'],
    ]);
    expect(await readFile(path.join(projectPath, 'note.md'), 'utf8')).toBe('both\n');
    const { start_tree, end_tree } = await kernel.store.run(run.id);
    expect([start_tree, end_tree, start_tree === end_tree]).toEqual([
      expect.stringMatching(/^[0-9a-f]{40,64}$/),
      expect.stringMatching(/^[0-9a-f]{40,64}$/),
      false,
    ]);
  });

  test('the finish tool ends the run with its summary, after the other calls of its step', async () => {
    const calls = [shell('echo last words'), { tool: 'finish', input: { summary: 'It all works.' } }];
    const run = await kernel.start({
      model: await kernel.script({ text: 'Enough.', calls }, { text: 'Never said.' }),
    });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      steps: 1,
      final_message: 'It all works.',
    });
    expect((await toolMessages(kernel, run)).map(([callId]) => callId)).toEqual(['1.0', '1.1']);
  });

  test('every call is answered by exactly one tool message, also those that cannot be made', async () => {
    const calls: NonNullable<ScenarioStep['calls']> = [
      { tool: 'fly', input: {} },
      { tool: 'read', input: '{"path": "cut' },
      { tool: 'read', input: { path: 7 } },
      { tool: 'shell', input: { command: '' } },
      { tool: 'list', input: '{"path": ["."],}' },
    ];
    const run = await kernel.start({
      model: await kernel.script({ calls }, { calls: calls.slice(0, 2) }, { text: 'I see.' }),
    });
    expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 3 });
    const messages = await toolMessages(kernel, run);
    expect(messages.map(([callId]) => callId)).toEqual(['1.0', '1.1', '1.2', '1.3', '1.4', '2.0', '2.1']);
    expect(messages[0]?.[1]).toMatch(/^There is no tool "fly"/);
    expect(messages[4]?.[1]).toMatch(
      /^Arguments repaired before use: trailing commas were left out; path: a list of one, read as its value\.\n/,
    );
    expect((await story(kernel, run)).filter((line) => line.startsWith('call-'))).toEqual([
      'call-end 1.0 failed',
      'call-end 1.1 failed',
      'call-end 1.2 failed',
      'call-end 1.3 failed',
      'call-start 1.4',
      'call-end 1.4 succeeded',
      'call-end 2.0 failed',
      'call-end 2.1 failed',
    ]);
  });

  test('a project that is gone ends the run with a sentence', async () => {
    const run = await kernel.start({
      model: await kernel.script({ text: 'Hm.' }),
      projectPath: '/nowhere/at/all',
    });
    // The model was asked meanwhile, and may have answered.
    expect(await kernel.ended(run)).toMatchObject({ status: 'failed', reason: 'project_missing' });
    expect((await kernel.store.run(run.id)).reason_text).toBe(
      '/nowhere/at/all cannot be worked in (ENOENT).',
    );
  });

  test('messages queued behind a run have their turn in order, each going on from the one before', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      { calls: [shell('until [ -e go ]; do sleep 0.02; done')] },
      { text: 'Answer to {{prompt}}' },
    );
    const first = await kernel.start({ model, projectPath, prompt: 'message 0' });
    const chain = [first];
    for (const prompt of ['message 1', 'message 2', 'message 3', 'message 4']) {
      const next = { conversationId: first.conversation_id, whenBusy: 'queue' } as const;
      chain.push(await kernel.start({ ...next, model, projectPath, prompt }));
    }
    await writeFile(path.join(projectPath, 'go'), '');
    const ended: RunRow[] = [];
    for (const run of chain) ended.push(await kernel.ended(run));
    expect(ended.map(({ status, parent_id }) => [status, parent_id])).toEqual(
      chain.map((_, index) => ['succeeded', chain[index - 1]?.id ?? null]),
    );
    const times = ended.map((run) => [run.started_at?.getTime() ?? 0, run.ended_at?.getTime() ?? 0]).flat();
    expect(times, 'never two at once').toEqual(times.toSorted((left, right) => left - right));
    const context = await readContext(kernel.store.database.db, defaultTenant, chain[4]?.id ?? '');
    expect(
      context.filter(({ role, text }) => role === 'assistant' && text !== '').map(({ text }) => text),
    ).toEqual(chain.map((_, index) => `Answer to message ${index}`));
  });
});

import { expect, test } from 'vitest';
import { withKernel } from '../support/kernel.ts';
import { story } from '../support/story.ts';

const list = { tool: 'list', input: { path: '.' } };

withKernel((kernel) => {
  test('a run that gets nowhere is told to plan anew, and ends as failed with a reason of its own', async () => {
    const model = await kernel.script(
      ...Array.from({ length: 20 }, () => ({ text: 'Once more.', calls: [list] })),
    );
    const run = await kernel.start({ model, stall: { steps: 3, replans: 1 } });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'failed',
      reason: 'stalled',
      reason_text: 'The run got nowhere, also after it was asked to plan anew.',
      steps: 6,
      replans: 1,
    });
    const told = (await story(kernel, run)).filter((line) => /^(stall|step-start|run-end)/.test(line));
    expect(told).toEqual([
      ...[1, 2, 3, 4].map((step) => `step-start ${step}`),
      'stall',
      ...[5, 6].map((step) => `step-start ${step}`),
      'run-end failed stalled',
    ]);
  });

  test('a run that plans anew and then gets somewhere goes on to its end', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      ...Array.from({ length: 3 }, () => ({ text: 'I look.', calls: [list] })),
      ...['a', 'b', 'c'].map((name) => ({
        text: 'I write.',
        calls: [{ tool: 'write', input: { path: name, content: name } }],
      })),
      { text: 'Done.' },
    );
    const run = await kernel.start({ model, projectPath, stall: { steps: 2, replans: 2 } });
    expect(await kernel.ended(run)).toMatchObject({
      status: 'succeeded',
      steps: 7,
      replans: 1,
      progress_step: 6,
    });
  });
});

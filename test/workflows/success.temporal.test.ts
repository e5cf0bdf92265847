import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { story, withKernel } from '../support/kernel.ts';
import { defaultTenant } from '../../activities/store/database.ts';
import { readContext } from '../../activities/store/messages.ts';

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
  });
});

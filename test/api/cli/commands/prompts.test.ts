// Where the prompt of a run comes from, and what of the run goes to stdout.
import { expect, test } from 'vitest';
import { endRun } from '../../../../activities/store/lifecycle/end-run.ts';
import { longestPrompt } from '../../../../api/cli/prompt-source.ts';
import { longestText } from '../../../../workflows/contracts/storable.ts';
import { lockedRun } from '../../../support/store.ts';
import { appendTexts } from '../../stream/streams.ts';
import { eventually, perdure, startApi } from '../captured.ts';

test('a prompt comes from stdin by a dash, and may begin with one after --', async () => {
  const { api, environment } = await startApi();
  const pieces = [...Buffer.from('Größe of\n\nthis: ✓\n\n')].map((byte) => Buffer.of(byte));
  const piped = perdure(['run', '-', '--detach', '--project', 'none'], { environment, stdin: pieces });
  const dashed = perdure(['run', '--detach', '--project', 'none', '--', '--help me'], { environment });
  const ids = [piped, dashed].map(async (called) => [await called.code, called.out().trim()] as const);
  const prompts = await Promise.all(
    ids.map(async (each) => {
      const [code, id] = await each;
      return [code, (await api.ask('GET', `/runs/${id}`)).json().prompt];
    }),
  );
  expect(prompts).toEqual([
    [0, 'Größe of\n\nthis: ✓'],
    [0, '--help me'],
  ]);
});

test('a prompt is typed at a terminal up to a Ctrl-D; a Ctrl-C starts no run', async () => {
  const { api, attend } = await startApi();
  const left = attend('run', '-', '--project', 'none');
  await eventually(() => left.err().includes('Ctrl-D') || undefined);
  left.type('hel\u0003');
  expect(await left.code).toBe(130);
  const typed = attend('run', '-', '--detach', '--project', 'none');
  await eventually(() => typed.err().includes('Ctrl-D') || undefined);
  typed.type('two\rlines\r\u0004');
  expect(await typed.code).toBe(0);
  const { items } = (await api.ask('GET', '/runs')).json();
  expect(items.map(({ prompt }: { prompt: string }) => prompt)).toEqual(['two\nlines']);
});

test('a prompt from stdin that cannot be one is a sentence, and no run', async () => {
  const { api, environment } = await startApi();
  let taken = 0;
  function* endless(): Generator<Buffer> {
    for (;;) {
      taken += 65_536;
      yield Buffer.alloc(65_536, 'x');
    }
  }
  const tooLong =
    /^perdure: The prompt from stdin is longer than 400,000 characters: put it into a file of the project, and name that in the prompt\.\n$/;
  const cases: [stdin: Iterable<Buffer>, said: RegExp][] = [
    [[], /^perdure: The prompt from stdin is empty\.\n$/],
    [[Buffer.from(' \n\t\n')], /^perdure: The prompt from stdin is empty\.\n$/],
    [[Buffer.from([0x61, 0xff, 0x62])], /^perdure: The prompt from stdin is no valid UTF-8: /],
    [[Buffer.from([0x61, 0xc3])], /^perdure: The prompt from stdin is no valid UTF-8: /],
    [[Buffer.alloc(longestText + 1, 'x')], tooLong],
    [endless(), tooLong],
  ];
  for (const [stdin, said] of cases) {
    const called = perdure(['run', '-'], { environment, stdin });
    expect([await called.code, called.out()]).toEqual([2, '']);
    expect(called.err()).toMatch(said);
  }
  // It was refused while it was read: beyond the limit at most what streams hold ahead.
  expect(taken).toBeLessThan(longestText * 3 + 1_000_000);
  const none = perdure(['run'], { environment, stdin: [Buffer.from('piped')] });
  expect([await none.code, none.err()]).toEqual([
    2,
    'perdure: No prompt is given: write it as an argument, or - to read it from stdin.\n',
  ]);
  expect((await api.ask('GET', '/runs')).json().items).toEqual([]);
  // The CLI loads no contracts and has a number of its own.
  expect(longestPrompt).toBe(longestText);
});

test('--quiet writes the answer alone to stdout, what happens to stderr, and ends with the outcome', async () => {
  const { api, environment } = await startApi();
  const called = perdure(['run', 'work', '--quiet', '--project', 'none'], { environment });
  const run = await eventually(async () => (await api.ask('GET', '/runs')).json().items[0]);
  await appendTexts(api, run, 3, 2);
  await api.log.write('test', async (write) => {
    await write.tx
      .updateTable('runs')
      .set({ status: 'running', final_message: '**xxx**\u202e and more' })
      .where('id', '=', run.id)
      .execute();
    await endRun(write, await lockedRun(write, run.id), {
      status: 'failed',
      reason: 'limit_steps',
      reasonText: 'It ended.',
    });
    await write.tx
      .updateTable('runs')
      .set({ final_message: '**xxx** and more' })
      .where('id', '=', run.id)
      .execute();
  });
  expect(await called.code).toBe(1);
  expect(called.out()).toBe('**xxx** and more\n');
  expect(called.err()).toContain('xxxxxx\nIt ended.\nfailed · $0 · ');
});

// Files and addresses that go with a message from the command line.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder, perdure, startApi } from '../captured.ts';

async function start() {
  const { api, environment } = await startApi();
  const folder = await makeFolder();
  const call = async (...args: string[]) => {
    const called = perdure(args, { environment, folder });
    return { code: await called.code, out: called.out(), err: called.err() };
  };
  return { api, folder, call };
}

test('what cannot be attached is a sentence, and no run', async () => {
  const { api, folder, call } = await start();
  await mkdir(path.join(folder, 'dir'));
  await writeFile(path.join(folder, 'large.bin'), Buffer.alloc(10 * 2 ** 20 + 1));
  const run = (...args: string[]) => call('run', 'Look.', '--detach', '--project', 'none', ...args);
  expect((await run('--attach', 'none.png')).err).toBe('perdure: There is no file none.png.\n');
  expect((await run('--attach', 'dir')).err).toBe('perdure: dir is no file.\n');
  expect((await run('--attach', 'large.bin', '--inline')).err).toBe(
    'perdure: large.bin has 10.0 MB, and 10.0 MB is the most with --inline.\n',
  );
  expect((await run('--inline')).err).toBe(
    'perdure: --inline says how --attach goes: name a file or an address with it.\n',
  );
  expect((await api.ask('GET', '/runs')).json().items).toEqual([]);
});

test('files are sent to the server, addresses are left to it, for a run and for a steer', async () => {
  const { api, folder, call } = await start();
  await writeFile(path.join(folder, 'plan.png'), Buffer.from([1, 2, 3]));
  await writeFile(path.join(folder, 'Makefile'), 'all:\n');
  const files = ['--attach', 'plan.png', '--attach', './Makefile', '--attach', 'https://example.org/a.pdf'];
  const run = await call('run', 'Look.', '--detach', '--project', 'none', '--inline', ...files);
  expect(run).toMatchObject({ code: 0, err: '' });
  const id = run.out.trim();
  const messages = (await api.ask('GET', `/runs/${id}/messages`)).json();
  const shown = (parts: Record<string, unknown>[]): unknown[] =>
    parts.map(({ type, mode, name, mediaType, size }) => [type, mode, name, mediaType, size]);
  expect(shown(messages.items[0].parts)).toEqual([
    ['binary', 'inline', 'plan.png', 'image/png', 3],
    ['binary', 'inline', 'Makefile', 'text/plain', 5],
    ['url', 'inline', 'a.pdf', null, null],
  ]);
  expect(await call('steer', id, 'And this.', '--attach', 'plan.png')).toMatchObject({ code: 0 });
  const [input] = await api.database.db.selectFrom('inputs').select('parts').execute();
  expect(shown(input!.parts as never)).toEqual([['binary', 'file', 'plan.png', 'image/png', 3]]);
});

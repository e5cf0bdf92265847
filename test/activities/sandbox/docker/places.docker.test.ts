// How many containers there are at once, and who waits for one.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { expect, test } from 'vitest';
import { nameOf } from '../../../../activities/sandbox/docker/labels.ts';
import { run } from '../opened.ts';
import { openScene } from './engine.ts';

/** Resolves when the engine has told whether there is a container of that name. */
async function askedFor(name: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const answered = 'http.client.response.finish';
  const look = (message: unknown): void => {
    if ((message as { request: ClientRequest }).request.path.startsWith(`/containers/${name}/json`))
      resolve();
  };
  subscribe(answered, look);
  await promise;
  unsubscribe(answered, look);
}

test('runs beyond the cap wait for their turn, first come first served, and an interrupted one does not', async () => {
  const { open, needs } = await openScene({ most: 1 });
  const opened = await Promise.all(['a', 'b', 'c', 'd'].map((id) => open(id)));
  const order: string[] = [];
  const over = new AbortController();
  const atWork = Promise.withResolvers<void>();
  const working = run(opened[0]!.sandbox, 'sleep 600', over.signal, () => atWork.resolve());
  working.catch(() => {});
  await atWork.promise;
  const stop = new AbortController();
  const waiting: Promise<void>[] = [];
  for (const [index, name] of ['b', 'c', 'd'].entries()) {
    const { sandbox, opened: one } = opened[index + 1]!;
    const standsInLine = askedFor(nameOf(needs.docker.instance, name));
    waiting.push(
      run(sandbox, 'true', name === 'c' ? stop.signal : undefined).then(() => {
        order.push(name);
        return one.close('ended');
      }),
    );
    // So that each comes after the one before it: it waits for a place once it has heard that it has none.
    await standsInLine;
  }
  stop.abort(new Error('interrupted'));
  await expect(waiting[1]).rejects.toThrow('interrupted');
  over.abort(new Error('over'));
  await expect(working).rejects.toThrow('over');
  await opened[0]!.opened.close('ended');
  await Promise.all([waiting[0], waiting[2]]);
  expect(order).toEqual(['b', 'd']);
});

test('where all places are taken, the sandbox that does nothing for the longest makes room, and its run goes on', async () => {
  const { open, containers } = await openScene({ most: 3 });
  const [working, early, late, next] = await Promise.all(['working', 'early', 'late', 'next'].map(open));
  const over = new AbortController();
  const atWork = Promise.withResolvers<void>();
  const going = run(working!.sandbox, 'sleep 600', over.signal, () => atWork.resolve());
  going.catch(() => {});
  await atWork.promise;
  // Made first and used last.
  await run(late!.sandbox, 'true');
  await run(early!.sandbox, 'echo kept > file');
  await run(late!.sandbox, 'true');
  await run(next!.sandbox, 'true');
  const there = async () => (await containers()).map(({ Config }) => Config.Labels['perdure.run']).toSorted();
  const first = await there();
  expect((await run(early!.sandbox, 'cat file')).stdout).toBe('kept\n');
  expect([first, await there()]).toEqual([
    ['late', 'next', 'working'],
    ['early', 'next', 'working'],
  ]);
  over.abort(new Error('over'));
  await expect(going).rejects.toThrow('over');
});

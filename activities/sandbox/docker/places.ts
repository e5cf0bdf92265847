// How many containers of one installation there may be on a machine. A run beyond it takes the place of one that does
// nothing; where all are at work it waits, first come first served.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { isAtWork, type Places, remove } from './container.ts';
import { type Engine, whenBack } from './engine.ts';
import type { DockerSettings } from './docker-settings.ts';
import { labels } from './labels.ts';

// Other workers give places back as well, and nothing tells of it.
const lookMs = 500;
// A command that begins may not show yet.
const leastIdleMs = 2000;

/** `lastUse`: when a run last used its container, in milliseconds. */
export function createPlaces(
  engine: Engine,
  docker: Pick<DockerSettings, 'instance' | 'most'>,
  lastUse: (runId: string) => Promise<number>,
): Places {
  let last: Promise<unknown> = Promise.resolve();

  async function isFree(signal: AbortSignal): Promise<boolean> {
    const filters = JSON.stringify({ label: [`${labels.instance}=${docker.instance}`] });
    return whenBack(engine, signal, async (client) => {
      const there = await client.listContainers({ all: true, filters });
      return there.length < docker.most || (await makeRoom(client, there));
    });
  }

  /** Removes the one that has been idle longest: its run goes on with its files, as after a pause. */
  async function makeRoom(client: Docker, there: readonly Docker.ContainerInfo[]): Promise<boolean> {
    const uses = there.map(async ({ Id, Labels }) => {
      const runId = Labels[labels.run] ?? '';
      return { Id, runId, at: await lastUse(runId) };
    });
    const idleLongest = (await Promise.all(uses)).toSorted((one, other) => one.at - other.at);
    for (const { Id, runId, at } of idleLongest) {
      if (Date.now() - at < leastIdleMs) return false;
      const container = client.getContainer(Id);
      // Looked at again: it may have begun to work meanwhile.
      if ((await isAtWork(client, container)) || (await lastUse(runId)) !== at) continue;
      await remove(container);
      return true;
    }
    return false;
  }

  async function wait(
    before: Promise<unknown>,
    signal: AbortSignal,
    create: () => Promise<void>,
  ): Promise<void> {
    await Promise.race([before, rejectedBy(signal)]);
    while (!(await isFree(signal))) await sleep(lookMs, undefined, { signal });
    await create();
  }

  return {
    make(signal, create) {
      const before = last;
      const made = wait(before, signal, create);
      // One that gives up does not let those behind it overtake those before it.
      last = Promise.allSettled([before, made]);
      return made;
    },
  };
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason as Error);
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  promise.catch(() => {});
  return promise;
}

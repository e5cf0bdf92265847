// How many containers of one installation there may be on a machine. Runs beyond it wait, first come first served.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, whenBack } from './engine.ts';
import type { DockerSettings } from './docker-settings.ts';
import { labels } from './labels.ts';

export interface Places {
  /** Makes one more container once there is room for it. The runs of one worker are served in the order they came. */
  make(signal: AbortSignal, create: () => Promise<void>): Promise<void>;
}

// Other workers give places back as well, and nothing tells of it.
const lookMs = 500;

export function createPlaces(engine: Engine, docker: Pick<DockerSettings, 'instance' | 'most'>): Places {
  let last: Promise<unknown> = Promise.resolve();

  async function isFree(signal: AbortSignal): Promise<boolean> {
    const filters = JSON.stringify({ label: [`${labels.instance}=${docker.instance}`] });
    const there = await whenBack(engine, signal, (docker) => docker.listContainers({ all: true, filters }));
    return there.length < docker.most;
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

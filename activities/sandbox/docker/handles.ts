// Handles of commands in containers: the engine, the container, and the mark that all processes of the command carry.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Handle, Handles } from '../sandbox.ts';
import { remove } from './container.ts';
import { type Engine, isUnreachable, statusOf } from './engine.ts';
import { killScript, lookCodes, lookScript, type Whose } from './inner.ts';
import { marksFor } from '../group/process-group.ts';

export interface ContainerHandle extends Handle {
  /** The engine's own id: containers of another engine are out of reach. */
  engine: string;
  container: string;
  exec: string;
  mark: string;
  /** `run/call`. */
  call: string;
  /** Of the image. */
  digest: string;
}

// Killing takes some hundred milliseconds. In a container full of processes the script cannot start, or hangs.
const scriptMs = 8_000;

/** `whose`: of the containers. */
export function containerHandles(engine: Engine, whose: Whose): Handles {
  async function kill(handle: Handle): Promise<'gone' | 'elsewhere'> {
    const place = await placeOf(engine, handle as ContainerHandle);
    if (typeof place === 'string') return place;
    // Nothing can be started in one that a person has paused, and its owner may leave it so.
    if (place.isPaused && whose === 'theirs') return 'elsewhere';
    await endCommand(place.docker, place.container, handle as ContainerHandle, whose);
    return 'gone';
  }
  return {
    kill,
    async isAlive(handle) {
      const place = await placeOf(engine, handle as ContainerHandle);
      if (typeof place === 'string') return false;
      const { mark, call } = handle as ContainerHandle;
      return (await runInside(place.container, lookScript(whose), mark, call)) !== lookCodes.gone;
    },
    async sweep(handles) {
      for (const handle of handles) await kill(handle);
    },
  };
}

/**
 * Ends all of a command: by its mark, and where that is not seen to work, with all else in its container. One that a
 * person runs is left alone: then it throws, and may be tried again.
 */
export async function endCommand(
  docker: Docker,
  container: Docker.Container,
  { mark, call }: Pick<ContainerHandle, 'mark' | 'call'>,
  whose: Whose,
): Promise<void> {
  if ((await runInside(container, killScript(whose), mark, call)) === 0) return;
  if (whose === 'ours') return remove(docker.getContainer(container.id));
  const { State } = await container.inspect().catch((error: unknown) => {
    if (statusOf(error) === 404) return { State: { Running: false } };
    throw error;
  });
  if (State.Running)
    throw new Error(`the command ${call} in the container ${container.id.slice(0, 12)} was not seen to end`);
}

/** Where a handle's container runs; `gone` when it does not. */
async function placeOf(
  engine: Engine,
  handle: ContainerHandle,
): Promise<'gone' | 'elsewhere' | { docker: Docker; container: Docker.Container; isPaused: boolean }> {
  try {
    const docker = await engine.calls();
    if ((await engineId(docker)) !== handle.engine) return 'elsewhere';
    const container = docker.getContainer(handle.container);
    const { State } = await container.inspect();
    return State.Running ? { docker, container, isPaused: State.Paused } : 'gone';
  } catch (error) {
    if (statusOf(error) === 404) return 'gone';
    if (isUnreachable(error)) return 'elsewhere';
    throw error;
  }
}

export async function engineId(docker: Docker): Promise<string> {
  return ((await docker.info()) as { ID: string }).ID;
}

// The output of a command may end a moment before the engine has seen its end.
const seenWithinMs = 2000;

/** Undefined where it still runs, or was lost by the engine. */
export async function exitCodeOf(exec: Docker.Exec): Promise<number | undefined> {
  const until = performance.now() + seenWithinMs;
  for (;;) {
    const { Running, ExitCode } = await exec.inspect();
    if (!Running && ExitCode !== null) return ExitCode;
    if (performance.now() > until) return undefined;
    await sleep(20);
  }
}

/** The exit code of a script of ours in a container; undefined when it could not run to its end. */
async function runInside(
  container: Docker.Container,
  script: string,
  mark: string,
  call: string,
): Promise<number | undefined> {
  try {
    const exec = await container.exec({
      Cmd: ['/bin/sh', '-c', script, 'sh', mark],
      Env: Object.entries(marksFor(`not-${mark}`, call)).map(([name, value]) => `${name}=${value}`),
      AttachStdout: true,
    });
    const stream = await exec.start({});
    stream.resume();
    const ended = new Promise<void>((resolve) => stream.once('close', resolve));
    const timer = setTimeout(() => stream.destroy(), scriptMs);
    await ended;
    clearTimeout(timer);
    return await exitCodeOf(exec);
  } catch (error) {
    // It is not running any more, or so full that nothing can be started in it.
    if (statusOf(error) !== undefined) return undefined;
    throw error;
  }
}

// Starts in a container the shell that waits for one command. It is there once it has said so: whatever keeps it from that,
// nothing was run.
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { marksFor } from '../group/process-group.ts';
import { type Engine, NotStarted, saidBy } from './engine.ts';
import { createFrames } from './frames.ts';
import { ready, runScript, type Whose } from './inner.ts';

// What a program gets to clean up after itself before it is killed.
export const graceMs = 1200;
// The engine itself waits two seconds for what holds the output open.
export const drainMs = 3000;
// A tenth of a second is usual. In a container full of processes it may never be there.
const readyWithinMs = 30_000;
// Of what an engine says of a shell that it could not start: a line.
const mostSaid = 300;

export interface Surroundings {
  /** The mode of the sandbox it runs in. */
  kind: string;
  /** Who runs the container. */
  whose: Whose;
  engine: Engine;
  engineId: string;
  container: Docker.Container;
  /** Of the image. */
  digest: string;
  directory: string;
  environment: Record<string, string>;
  /** What is guarded in the tree, as the check of mounts takes it. */
  checks: readonly string[];
}

type OnPiece = Parameters<typeof createFrames>[0];

/** A script in a container that waits for one command. */
export interface Launcher {
  exec: Docker.Exec;
  stream: Duplex;
  /** The mark of all that the command will have started. */
  token: string;
  /** Its container, its engine or itself is gone. */
  isGone(): boolean;
  /** From here on. Resolves when nothing more comes. */
  listen(onPiece: OnPiece): Promise<void>;
  /** Instead of using it. */
  drop(): Promise<void>;
}

/** Rejects with `NotStarted` when it does not come to wait. */
export async function launch(given: Surroundings, signal = never): Promise<Launcher> {
  const giveUp = new AbortController();
  const onAbort = (): void => giveUp.abort();
  const timer = setTimeout(onAbort, readyWithinMs);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await started(given, giveUp.signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new NotStarted(
      `the Docker engine could not start a shell in ${given.directory} (${saidBy(error)})`,
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

const never = new AbortController().signal;

async function started(given: Surroundings, giveUp: AbortSignal): Promise<Launcher> {
  const token = randomBytes(8).toString('hex');
  const { exec, stream } = await start(given, token, giveUp);
  let isGone = false;
  const closed = new Promise<void>((resolve) => {
    stream.once('close', () => {
      isGone = true;
      resolve();
    });
  });
  stream.once('end', () => (isGone = true));
  // How a command ended is told by its report, or by the engine.
  stream.on('error', () => {});
  const waits = Promise.withResolvers<void>();
  let said = '';
  let onPiece: OnPiece = (_from, bytes) => {
    if (said.length < mostSaid) said += bytes.toString('utf8').slice(0, mostSaid);
    if (said === ready) waits.resolve();
  };
  const frames = createFrames((from, bytes) => onPiece(from, bytes));
  stream.on('data', (bytes: Buffer) => frames.take(bytes));
  const onGiveUp = (): void => void stream.destroy();
  giveUp.addEventListener('abort', onGiveUp, { once: true });
  if (giveUp.aborted) onGiveUp();
  await Promise.race([waits.promise, closed]);
  if (said !== ready) throw new Error(said || (giveUp.aborted ? 'none within its time' : 'it went away'));
  return {
    ...{ exec, stream, token },
    isGone: () => isGone,
    listen(listener) {
      onPiece = listener;
      return closed;
    },
    async drop() {
      stream.end();
      await Promise.race([closed, sleep(drainMs, undefined, { ref: false })]);
      stream.destroy();
    },
  };
}

async function start(
  { whose, container, directory, environment, checks, engine }: Surroundings,
  token: string,
  giveUp: AbortSignal,
): Promise<{ exec: Docker.Exec; stream: Duplex }> {
  const variables = { ...environment, ...marksFor(token, '') };
  const docker = await engine.streams();
  const made = await container.exec({
    Cmd: ['/bin/sh', '-c', runScript(whose), 'sh', token, String(graceMs / 10), ...checks, '--'],
    Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    WorkingDir: directory,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const exec = docker.getExec(made.id);
  return { exec, stream: await exec.start({ hijack: true, stdin: true, abortSignal: giveUp }) };
}

// The Docker engine as this folder talks to it: through its socket, never through a program of the machine.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { SandboxRefusal } from '../sandbox.ts';

// Making a container takes half a second; an engine that swaps or is restarting needs longer. Only a frozen one is ended.
const callMs = 30_000;
// An engine that is restarted by its system answers again within seconds.
const backWithinMs = 15_000;

export interface Engine {
  socket: string;
  /** For requests that answer at once. */
  calls(): Promise<Docker>;
  /** For streams, which may be silent for hours. */
  streams(): Promise<Docker>;
}

/** `address`: a path, or as DOCKER_HOST has it. Any other kind than a socket of this machine never answers. */
export function createEngine(address: string): Engine {
  const socket = address.replace(/^unix:\/\//, '');
  // Loaded when it is first needed: a server without containers keeps its memory.
  const open = async (timeout?: number): Promise<Docker> => {
    if (!socket.startsWith('/'))
      throw new EngineAway(
        address,
        'it must be a socket of this machine, such as unix:///var/run/docker.sock',
      );
    const { default: Client } = await import('dockerode');
    return withEnds(new Client({ socketPath: socket, ...(timeout !== undefined && { timeout }) }));
  };
  let calls: Promise<Docker> | undefined;
  let streams: Promise<Docker> | undefined;
  return {
    socket,
    calls: () => (calls ??= open(callMs)),
    streams: () => (streams ??= open()),
  };
}

/** By itself the client waits for good for the rest of an answer, when the engine dies in the middle of it. */
function withEnds(client: Docker): Docker {
  type Dial = (options: unknown, callback: (error: unknown, data: unknown) => void) => void;
  const modem = client.modem as { dial: Dial };
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const cut = Object.assign(new Error(`no whole answer within ${callMs} ms`), { code: 'ECONNRESET' });
    const timer = setTimeout(() => reject(cut), callMs);
    dial(options, (error, data) => (error ? reject(error) : resolve(data)));
    promise
      .finally(() => clearTimeout(timer))
      .then(
        (data) => callback(null, data),
        (error: unknown) => callback(error, null),
      );
  };
  return client;
}

/** The status of the engine's answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

export function isUnreachable(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return (
    error instanceof EngineAway || ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'EACCES'].includes(code)
  );
}

/** What the engine said, in one line. */
export function saidBy(error: unknown): string {
  if (error instanceof EngineAway) return error.said;
  const { json, message } = error as { json?: { message?: string }; message?: string };
  return (json?.message ?? message ?? String(error)).trim().replace(/\s+/g, ' ').slice(0, 300);
}

/** It does not answer; for a person to change. */
export class EngineAway extends SandboxRefusal {
  override name = 'EngineAway';
  readonly said: string;
  constructor(socket: string, said: string) {
    super(`the Docker engine on ${socket} does not answer (${said}); a person has to start it`);
    this.said = said;
  }
}

/** For what may be done again: waits while the engine is being restarted, then rejects with `EngineAway`. */
export async function whenBack<Result>(
  engine: Engine,
  signal: AbortSignal,
  attempt: (docker: Docker) => Promise<Result>,
): Promise<Result> {
  const until = performance.now() + backWithinMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt(await engine.calls());
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      if (performance.now() > until) throw new EngineAway(engine.socket, saidBy(error));
      await sleep(250);
    }
  }
}

/**
 * Nothing of a command was run, for it could not be started: by what a killed engine has left half done, or by a container
 * that went away meanwhile. Another container or a moment may mend it.
 */
export class NotStarted extends Error {
  override name = 'NotStarted';
}

/** Before a command is told to act: what the engine answers that is no yes. */
export function asNotStarted(error: unknown): unknown {
  return statusOf(error) === undefined
    ? error
    : new NotStarted(`the Docker engine said: ${saidBy(error)}`, { cause: error });
}

// The waits between them are six seconds in all: systems start the parts of an engine again within five.
const mostTries = 6;
const firstWaitMs = 200;

/** For what rejects with `NotStarted`: tries again, and refuses with the last reason. */
export async function untilStarted<Result>(
  signal: AbortSignal,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      signal.throwIfAborted();
      if (tries === mostTries)
        throw new SandboxRefusal(
          `the command was not run in ${mostTries} tries; the reason of the last: ${error.message}; a person has to see to it`,
        );
      await sleep(firstWaitMs * 2 ** (tries - 1), undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }
}

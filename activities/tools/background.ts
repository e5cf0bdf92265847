// The commands that go on after the call that started them, held by this worker process: output in a bounded
// buffer, killed when their run ends or the worker stops. What a killed worker held is lost, and is said to be.
import type { ExecResult, Handle, Handles, LeftProcess } from '../sandbox/sandbox.ts';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { type Capture, createTail, decode, type Tail } from './capture.ts';
import { toPlainText } from './plain-text.ts';
import type { ToolContext } from './tool.ts';

// Unread output of one command; a server that logs for an hour keeps its last lines.
const keptBytes = 256 * 1024;
// A run that starts more has lost count of them.
const maxRunning = 16;
// Ended ones are kept for their last output; the oldest of them make room.
const maxKept = 64;

export interface BackgroundState {
  /** What it said since it was last asked. */
  output: string;
  /** Bytes of that which were dropped because it was not asked in time. */
  droppedBytes: number;
  /** `lost`: this worker does not hold it. `elsewhere`: it still lives on this machine, under another worker. */
  state: 'running' | 'ended' | 'killed' | 'lost' | 'elsewhere';
  /** How it ended, in words; empty while it runs. */
  ending: string;
}

export interface Background {
  /** Starts it and returns once its handle is recorded; the sentence says why it was not started. */
  start(command: string, context: ToolContext): Promise<string | undefined>;
  /**
   * Runs a command for a call that waits for it: ended by the call's signal, unless the shell ends and leaves something
   * running, which goes on as a background command of the call's id.
   */
  run(command: string, context: ToolContext, capture: Capture, signal: AbortSignal): Promise<ForegroundEnd>;
  /** Waits until it ends or the time is up. Read output is not told again. */
  poll(runId: string, id: string, waitMs: number, signal: AbortSignal): Promise<BackgroundState>;
  kill(runId: string, id: string): Promise<BackgroundState>;
  /** Kills what the run left running. Every way a run ends must come here. */
  endRun(runId: string): Promise<void>;
  /** The runs whose commands it holds. */
  runIds(): string[];
  close(): Promise<void>;
}

export interface ForegroundEnd extends ExecResult {
  /** What goes on in the background. */
  left: LeftProcess[];
  /** It was ended, for there is no room for more in the background. */
  leftEnded: boolean;
}

/** What is known of commands that other workers started. */
export interface OthersCommands extends Pick<Handles, 'isAlive' | 'kill'> {
  handlesOf(runId: string, callId: string): Promise<Handle[]>;
}

const nothing: OthersCommands = {
  handlesOf: async () => [],
  isAlive: async () => false,
  kill: async () => 'elsewhere',
};

interface Held {
  unread: Tail;
  unreadBytes: number;
  ending: string;
  wasKilled: boolean;
  stop: AbortController;
  /** Settles when no process of it is left; never rejects. */
  ended: Promise<void>;
}

export function createBackground(others: OthersCommands = nothing): Background {
  const runs = new Map<string, Map<string, Held>>();
  const find = (runId: string, id: string): Held | undefined => runs.get(runId)?.get(id);
  const notHeld = (state: BackgroundState['state']): BackgroundState => ({
    output: '',
    droppedBytes: 0,
    state,
    ending: '',
  });
  const livingOf = async (runId: string, id: string): Promise<Handle[]> => {
    const handles = await others.handlesOf(runId, id);
    const alive = await Promise.all(handles.map(others.isAlive));
    return handles.filter((_, index) => alive[index]);
  };
  const hasRoom = (runId: string): boolean =>
    [...(runs.get(runId)?.values() ?? [])].filter(isRunning).length < maxRunning;
  const hold = ({ runId, callId }: ToolContext, held: Held): void => {
    const ofRun = runs.get(runId) ?? new Map<string, Held>();
    runs.set(runId, ofRun.set(callId, held));
    const oldest = [...ofRun].find(([, one]) => !isRunning(one));
    if (ofRun.size > maxKept && oldest !== undefined) ofRun.delete(oldest[0]);
  };
  const endRun = async (runId: string): Promise<void> => {
    const held = [...(runs.get(runId)?.values() ?? [])];
    await Promise.all(held.map(kill));
    runs.delete(runId);
  };
  return {
    async start(command, context) {
      if (!hasRoom(context.runId))
        return `${maxRunning} background commands are running already; kill one with shell-kill.`;
      hold(context, await startHeld(command, context));
      return undefined;
    },
    run: (command, context, capture, signal) =>
      runInForeground({ command, context, capture, signal }, (held) => {
        if (!hasRoom(context.runId)) return false;
        hold(context, held);
        return true;
      }),
    async poll(runId, id, waitMs, signal) {
      const held = find(runId, id);
      if (held === undefined) return notHeld((await livingOf(runId, id)).length > 0 ? 'elsewhere' : 'lost');
      await endedOr(held, waitMs, signal);
      return takeState(held);
    },
    async kill(runId, id) {
      const held = find(runId, id);
      if (held === undefined) {
        const living = await livingOf(runId, id);
        for (const handle of living) await others.kill(handle);
        return notHeld(living.length > 0 ? 'killed' : 'lost');
      }
      await kill(held);
      return takeState(held);
    },
    endRun,
    runIds: () => [...runs.keys()],
    async close() {
      await Promise.all([...runs.keys()].map(endRun));
    },
  };
}

async function startHeld(command: string, context: ToolContext): Promise<Held> {
  context.signal.throwIfAborted();
  const { promise: recorded, resolve, reject } = Promise.withResolvers<void>();
  const held = newHeld();
  const running = context.sandbox.exec({
    ...optionsOf(command, context),
    signal: held.stop.signal,
    async onStart(handle) {
      await context.recordHandle(handle);
      resolve();
    },
    onOutput: (_from, bytes) => keep(held, bytes),
    // What outlives the shell is as much in the background as the shell was.
    onLeft: () => {},
  });
  held.ended = running
    .then(
      (result) => void (held.ending = endingOf(result)),
      (error: unknown) => {
        endAs(held, error);
        if (!held.wasKilled) reject(error);
      },
    )
    .finally(resolve);
  const onAbort = (): void => {
    reject(context.signal.reason);
    held.stop.abort(context.signal.reason);
  };
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    // A failure before it was recorded is the caller's; one after it is how the command ended.
    await recorded;
    return held;
  } catch (error) {
    await held.ended;
    throw error;
  } finally {
    context.signal.removeEventListener('abort', onAbort);
  }
}

interface Foreground {
  command: string;
  context: ToolContext;
  capture: Capture;
  signal: AbortSignal;
}

/** `goOn`: takes what is left into the background, or has no room for it. */
async function runInForeground(
  { command, context, capture, signal }: Foreground,
  goOn: (held: Held) => boolean,
): Promise<ForegroundEnd> {
  signal.throwIfAborted();
  const held = newHeld();
  // The call's own signal counts as long as the call does.
  const onAbort = (): void => held.stop.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const { promise: parted, resolve: part } = Promise.withResolvers<ForegroundEnd>();
  let isLeft = false;
  const running = context.sandbox.exec({
    ...optionsOf(command, context),
    signal: held.stop.signal,
    onStart: context.recordHandle,
    onOutput: (from, bytes) => (isLeft ? keep(held, bytes) : capture.push(from, bytes)),
    onLeft(result, processes) {
      isLeft = goOn(held);
      if (isLeft) part({ ...result, left: processes, leftEnded: false });
      else held.stop.abort(new NoRoom(result));
    },
  });
  held.ended = running.then(
    () => void (held.ending = 'its last process is gone'),
    (error: unknown) => endAs(held, error),
  );
  const whole = running.then(
    (result) => ({ ...result, left: [], leftEnded: false }),
    (error: unknown) => {
      if (error instanceof NoRoom) return { ...error.result, left: [], leftEnded: true };
      throw error;
    },
  );
  try {
    return await Promise.race([whole, parted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Once the call is answered its failure is how the background command ended.
    whole.catch(() => {});
  }
}

class NoRoom extends Error {
  readonly result: ExecResult;

  constructor(result: ExecResult) {
    super('there is no room for more in the background');
    this.result = result;
  }
}

function newHeld(): Held {
  return {
    unread: createTail(keptBytes),
    unreadBytes: 0,
    ending: '',
    wasKilled: false,
    stop: new AbortController(),
    ended: Promise.resolve(),
  };
}

function optionsOf(command: string, { key, runs }: ToolContext) {
  return { command, judged: runs !== undefined, key };
}

function keep(held: Held, bytes: Buffer): void {
  held.unread.push(bytes);
  held.unreadBytes += bytes.length;
}

function endAs(held: Held, error: unknown): void {
  held.wasKilled = held.stop.signal.aborted;
  held.ending = held.wasKilled ? 'killed' : `failed: ${(error as Error).message}`;
}

export function endingOf(result: ExecResult): string {
  const ended = result.signal === null ? 'outcome unknown' : `ended by ${result.signal}`;
  const ending = result.exitCode === null ? ended : `exit code ${result.exitCode}`;
  return result.note === undefined ? ending : `${ending}; ${result.note}`;
}

function isRunning(held: Held): boolean {
  return held.ending === '';
}

async function kill(held: Held): Promise<void> {
  held.stop.abort(new Error('the background command was killed'));
  await held.ended;
}

async function endedOr(held: Held, waitMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, waitMs);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([held.ended, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function takeState(held: Held): BackgroundState {
  const output = toPlainText(toStorableOutput(decode(Buffer.concat(held.unread.parts()))));
  const droppedBytes = held.unreadBytes - held.unread.length;
  held.unread.clear();
  held.unreadBytes = 0;
  const state = isRunning(held) ? 'running' : held.wasKilled ? 'killed' : 'ended';
  return { output, droppedBytes, state, ending: held.ending };
}

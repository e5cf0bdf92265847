// The commands that go on after the call that started them, held by this worker process: output in a bounded
// buffer, killed when their run ends or the worker stops. What a killed worker held is lost, and is said to be.
import type { Handle, Handles, Sandbox } from '../sandbox/sandbox.ts';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { createTail, decode, type Tail } from './capture.ts';
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
  /** Bytes of that which were dropped because nobody asked in time. */
  droppedBytes: number;
  /** `lost`: this worker does not hold it. `elsewhere`: it still lives on this machine, under another worker. */
  state: 'running' | 'ended' | 'killed' | 'lost' | 'elsewhere';
  /** How it ended, in words; empty while it runs. */
  ending: string;
}

export interface Background {
  /** Starts it and returns once its handle is recorded; the sentence says why it was not started. */
  start(command: string, context: ToolContext): Promise<string | undefined>;
  /** Waits until it ends or the time is up. Read output is not told again. */
  poll(runId: string, id: string, waitMs: number, signal: AbortSignal): Promise<BackgroundState>;
  kill(runId: string, id: string): Promise<BackgroundState>;
  /** Kills what the run left running. Every way a run ends must come here. */
  endRun(runId: string): Promise<void>;
  /** The runs it holds something of. */
  runIds(): string[];
  close(): Promise<void>;
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
  const endRun = async (runId: string): Promise<void> => {
    const held = [...(runs.get(runId)?.values() ?? [])];
    await Promise.all(held.map(kill));
    runs.delete(runId);
  };
  return {
    async start(command, context) {
      const ofRun = runs.get(context.runId) ?? new Map<string, Held>();
      if ([...ofRun.values()].filter(isRunning).length >= maxRunning) {
        return `${maxRunning} background commands are running already; kill one with shell-kill.`;
      }
      const started = await startHeld(command, context);
      runs.set(context.runId, ofRun.set(context.callId, started));
      const oldest = [...ofRun].find(([, held]) => !isRunning(held));
      if (ofRun.size > maxKept && oldest !== undefined) ofRun.delete(oldest[0]);
      return undefined;
    },
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
  const stop = new AbortController();
  const held: Held = {
    unread: createTail(keptBytes),
    unreadBytes: 0,
    ending: '',
    wasKilled: false,
    stop,
    ended: runHeld(context.sandbox, command, stop.signal).finally(resolve),
  };
  // A failure before it was recorded is the caller's; one after it is how the command ended.
  await recorded;
  return held;

  async function runHeld(sandbox: Sandbox, text: string, signal: AbortSignal): Promise<void> {
    try {
      const result = await sandbox.exec({
        command: text,
        needsBash: context.runs !== undefined,
        key: context.key,
        signal,
        async onStart(handle) {
          await context.recordHandle(handle);
          resolve();
        },
        onOutput(_from, bytes) {
          held.unread.push(bytes);
          held.unreadBytes += bytes.length;
        },
      });
      held.ending = result.exitCode === null ? `ended by ${result.signal}` : `exit code ${result.exitCode}`;
    } catch (error) {
      held.wasKilled = signal.aborted;
      held.ending = signal.aborted ? 'killed' : `failed: ${(error as Error).message}`;
      if (!signal.aborted) reject(error);
    }
  }
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

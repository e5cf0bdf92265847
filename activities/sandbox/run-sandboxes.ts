// The sandboxes of the runs this worker works for: each opened once, lent to call after call, and let go when its run
// ends, when it has not been used for a while, or when the worker stops. Handles go to the driver of their kind.
import type {
  Handle,
  Handles,
  OpenSandbox,
  PathRule,
  Sandbox,
  SandboxDriver,
  SandboxRun,
} from './sandbox.ts';

// Between two calls of a run lies a model call of a minute at most; a run that waits for a person may wait for days.
const keptMs = 5 * 60_000;

export interface LentSandbox extends Sandbox {
  /** Gives it back. What it runs goes on. */
  close(): Promise<void>;
}

export interface RunSandboxes extends Handles {
  lend(run: SandboxRun, mayUse?: PathRule): Promise<LentSandbox>;
  /** Lets go of a run's sandbox once nothing uses it any more: the run has ended. */
  endRun(runId: string): Promise<void>;
  /** The runs whose sandboxes it holds. */
  runIds(): string[];
  /**
   * Removes what any worker of this machine has left of runs that have ended. `living` answers those of the ids whose
   * runs go on.
   */
  removeEnded(living: (runIds: string[]) => Promise<string[]>): Promise<void>;
  close(): Promise<void>;
}

interface Held {
  opening: Promise<OpenSandbox>;
  users: number;
  ended: boolean;
  timer?: NodeJS.Timeout;
}

export function createRunSandboxes(input: {
  drivers: readonly SandboxDriver[];
  /** Told when one could not be let go of; what it holds ends with the process. */
  onFailure(error: unknown): void;
  idleMs?: number;
}): RunSandboxes {
  const { drivers, onFailure, idleMs = keptMs } = input;
  const runs = new Map<string, Held>();

  function find(run: SandboxRun): Held {
    const known = runs.get(run.id);
    if (known) return known;
    const driver = drivers.find(({ mode }) => mode === run.mode);
    if (!driver) throw new Error(`There is no sandbox ${run.mode} in the list.`);
    const held: Held = { opening: driver.open(run), users: 0, ended: false };
    runs.set(run.id, held);
    // What could not be opened is tried again by the next call.
    held.opening.catch(() => forget(held));
    return held;
  }

  function forget(held: Held): void {
    for (const [runId, one] of runs) if (one === held) runs.delete(runId);
  }

  async function take(held: Held): Promise<OpenSandbox> {
    clearTimeout(held.timer);
    held.users += 1;
    return held.opening;
  }

  async function leave(held: Held): Promise<void> {
    held.users -= 1;
    if (held.users > 0) return;
    if (held.ended) await letGo(held);
    else held.timer = setTimeout(() => void letGo(held), idleMs).unref();
  }

  async function letGo(held: Held): Promise<void> {
    clearTimeout(held.timer);
    forget(held);
    try {
      await (await held.opening).close(held.ended ? 'ended' : 'goes-on');
    } catch (error) {
      onFailure(error);
    }
  }

  return {
    ...createHandles(drivers),
    async lend(run, mayUse) {
      const held = find(run);
      const sandbox = await take(held);
      const view = await sandbox.forCall(mayUse ? { mayUse } : {}).catch(async (error: unknown) => {
        await leave(held);
        throw error;
      });
      return {
        ...view,
        // In use until the command has ended, which may be long after its call.
        async exec(options) {
          await take(held);
          try {
            return await view.exec(options);
          } finally {
            await leave(held);
          }
        },
        close: () => leave(held),
      };
    },
    async endRun(runId) {
      const held = runs.get(runId);
      if (!held) return;
      held.ended = true;
      if (held.users === 0) await letGo(held);
    },
    runIds: () => [...runs.keys()],
    removeEnded: (living) => removeEnded(drivers, living, (runId) => runs.has(runId)),
    async close() {
      await Promise.all([...runs.values()].map(letGo));
    },
  };
}

/** What a worker holds itself it lets go of by itself. */
async function removeEnded(
  drivers: readonly SandboxDriver[],
  living: (runIds: string[]) => Promise<string[]>,
  isHeld: (runId: string) => boolean,
): Promise<void> {
  for (const { kept } of drivers) {
    const there = (await kept?.runIds()) ?? [];
    const goOn = new Set(there.length > 0 ? await living(there) : []);
    for (const runId of there) if (!goOn.has(runId) && !isHeld(runId)) await kept?.remove(runId);
  }
}

export function createHandles(drivers: readonly SandboxDriver[]): Handles {
  const driverOf = ({ kind }: Handle): SandboxDriver | undefined => drivers.find(({ mode }) => mode === kind);
  return {
    // For a kind that is not in the list, no driver here can tell.
    kill: async (handle) => driverOf(handle)?.kill(handle) ?? 'elsewhere',
    isAlive: async (handle) => driverOf(handle)?.isAlive(handle) ?? false,
    async sweep(handles) {
      for (const driver of drivers) await driver.sweep(handles.filter(({ kind }) => kind === driver.mode));
    },
  };
}

// Starting a program in a container takes the engine a tenth of a second. So behind each command the shell of the next one
// is started, and waits. It runs one command: nothing that a command sets is there for the next. And no command runs while
// it waits: it is of the same user, so that one could write into its input or stop it, and so speak for the next.
import { launch, type Launcher, type Surroundings } from './launch.ts';

export interface Place {
  /** A hash of all that its container is made from. */
  spec: string;
  given: Surroundings;
}

interface Waiting extends Place {
  launcher: Promise<Launcher | undefined>;
}

export interface KeptLauncher {
  /** The one that waits in such a container, if it does: it is the caller's now. */
  take(spec: string): Promise<{ given: Surroundings; launcher: Launcher } | undefined>;
  /** A command begins: nothing is started for the next one until all that have begun have ended. */
  begin(): void;
  /** One has ended, and nothing of it is left in `place`. What keeps the next shell from starting, its command finds out. */
  end(place: Place | undefined): void;
  /** For good. */
  close(): Promise<void>;
}

export function keepLauncher(): KeptLauncher {
  let waiting: Waiting | undefined;
  let isClosed = false;
  let running = 0;

  async function drop(): Promise<void> {
    const dropped = waiting;
    waiting = undefined;
    await (await dropped?.launcher)?.drop();
  }

  return {
    async take(spec) {
      const found = waiting;
      if (found === undefined) return undefined;
      // Its container is another than what is wanted now, and must not seem to be at work.
      if (found.spec !== spec) await drop();
      else waiting = undefined;
      const launcher = await found.launcher;
      return found.spec !== spec || launcher === undefined || launcher.isGone()
        ? undefined
        : { given: found.given, launcher };
    },
    begin() {
      running += 1;
    },
    end(place) {
      running -= 1;
      if (isClosed || running > 0 || waiting !== undefined || place === undefined) return;
      waiting = { ...place, launcher: launch(place.given).catch(() => undefined) };
    },
    async close() {
      isClosed = true;
      await drop();
    },
  };
}

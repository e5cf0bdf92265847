// Runs a command of a run in its container, which is made when it is not there.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecOptions, type ExecResult, SandboxRefusal, type SandboxRun } from '../sandbox.ts';
import type { Shown } from '../tree/beside.ts';
import { type Found, type Guarded, guardedIn } from '../tree/guarded.ts';
import { asMounted } from '../tree/mount-check.ts';
import { home, identityOf, putStandIn, type User } from '../tree/stand-ins.ts';
import { ensureContainer, type Places, specOf } from './container.ts';
import { OverDisk, watchDisk } from './disk.ts';
import { agentUser, type DockerNeeds, mode } from './docker-settings.ts';
import { asNotStarted, type Engine, NotStarted, statusOf, untilStarted, whenBack } from './engine.ts';
import { runCommand } from './exec.ts';
import { keepLauncher, type Place } from './launcher.ts';
import { makeWaysFolder, noteUse, openWay } from './way.ts';

// Several times before a container counts as one that does nothing.
const useMs = 500;

export interface OpenRun {
  needs: DockerNeeds;
  engine: Engine;
  places: Places;
  runId: string;
  tenantId: string;
  found: Found;
  hidden: readonly string[];
  /** The projects beside its own, as they are now. */
  lookAtOthers(): Promise<Shown[]>;
  variables: SandboxRun['variables'];
  /** When it was opened. */
  since: number;
}

export interface RunsCommands {
  exec(tree: string, options: ExecOptions): Promise<ExecResult>;
  /** Keeps nothing waiting in the container any more. */
  close(): Promise<void>;
}

/** What runs its commands. The image is looked up once: a run goes on with the one that it began with. */
export function openRun(run: OpenRun): RunsCommands {
  const { needs, engine, places, runId, tenantId } = run;
  const kept = keepLauncher();
  let known: Promise<Known> | undefined;
  const know = (signal: AbortSignal): Promise<Known> => {
    known ??= lookUp(engine, needs.docker.image, signal);
    known.catch(() => (known = undefined));
    return known;
  };

  async function exec(tree: string, options: ExecOptions): Promise<ExecResult> {
    const at: At = { closed: Promise.resolve(), last: undefined };
    kept.begin();
    // Until its end, so that no other run takes its place while it starts. A run that has ended has no folder.
    const beat = setInterval(() => void noteUse(needs.viewFolder, runId).catch(() => {}), useMs).unref();
    try {
      return await execAt(at, tree, options);
    } finally {
      clearInterval(beat);
      // What the command says of its own end is not proof of it; its engine has seen the end of its shell.
      void at.closed.then(() => kept.end(at.last));
    }
  }

  async function execAt(at: At, tree: string, options: ExecOptions): Promise<ExecResult> {
    const guarded = await guardedIn(tree, run.found, run.hidden);
    const shown = await run.lookAtOthers();
    const { user, treeId } = await look(tree);
    const standIns = await standInsFor(user, needs.viewFolder);
    const waysOut = await makeWaysFolder(needs.viewFolder, runId);
    const way = await openWay(options.wayOut, waysOut);
    // A container in which a shell could not be started; it is only used again where a command is at work in it.
    let unfit: string | undefined;
    return untilStarted(options.signal, async () => {
      const { image, engineId, canLimitSwap } = await know(options.signal);
      const { instance, runtime, limits } = needs.docker;
      const wanted = {
        ...{ instance, runId, tenantId, image, runtime, limits, canLimitSwap },
        ...{ user, tree, treeId, guarded, waysOut, ...standIns },
        ...(shown.length > 0 && { beside: shown }),
      };
      const spec = specOf(wanted);
      try {
        const waiting = await kept.take(spec);
        const container =
          waiting?.given.container ??
          (await ensureContainer(engine, places, wanted, { spec, unfit, signal: options.signal }));
        unfit = container.id;
        const surroundings = waiting?.given ?? {
          ...{ kind: mode, whose: 'ours' as const, engine, engineId, container, digest: image },
          directory: tree,
          environment: { LANG: 'C.UTF-8', ...needs.variables, ...run.variables, HOME: home, TERM: 'dumb' },
          checks: checksOf(tree, guarded, shown),
        };
        const onListen = (closed: Promise<void>): void => {
          at.last = { spec, given: surroundings };
          at.closed = closed;
        };
        return await runWatched(tree, options, limits.diskBytes, run.since, (watched) =>
          runCommand(surroundings, watched, { ...way, onListen }, waiting?.launcher),
        );
      } catch (error) {
        // It may be another engine by now, or another image.
        if (error instanceof NotStarted) known = undefined;
        throw error;
      }
    });
  }

  return { exec, close: () => kept.close() };
}

/** Where a command ran, and when its shell is gone. */
interface At {
  closed: Promise<void>;
  last: Place | undefined;
}

interface Known {
  engineId: string;
  canLimitSwap: boolean;
  /** By its digest: a name may stand for another image tomorrow. */
  image: string;
}

async function lookUp(engine: Engine, name: string, signal: AbortSignal): Promise<Known> {
  try {
    return await whenBack(engine, signal, async (docker) => {
      const [info, image] = await Promise.all([docker.info(), docker.getImage(name).inspect()]);
      const { ID, SwapLimit } = info as { ID: string; SwapLimit: boolean };
      return { engineId: ID, canLimitSwap: SwapLimit, image: image.Id };
    });
  } catch (error) {
    if (statusOf(error) !== 404) throw asNotStarted(error);
    throw new SandboxRefusal(
      `the Docker engine has no image ${name}; a person has to make it: perdure sandbox image build`,
    );
  }
}

async function standInsFor(
  user: User,
  viewFolder: string,
): Promise<{ files: [from: string, to: string][]; empty: string }> {
  const folder = join(viewFolder, `user-${user.uid}`);
  const { passwd = '', group = '', gitconfig = '' } = identityOf(user);
  const files = Object.entries({ passwd, group, gitconfig }).map(
    async ([name, text]): Promise<[string, string]> => [
      await putStandIn(folder, name, Buffer.from(text)),
      `/etc/${name}`,
    ],
  );
  return { files: await Promise.all(files), empty: await putStandIn(folder, 'empty', Buffer.alloc(0)) };
}

async function runWatched(
  tree: string,
  options: ExecOptions,
  limitBytes: number,
  since: number,
  runs: (options: ExecOptions) => Promise<ExecResult>,
): Promise<ExecResult> {
  const watch = watchDisk(tree, limitBytes, since);
  try {
    return await runs({ ...options, signal: AbortSignal.any([options.signal, watch.signal]) });
  } catch (error) {
    if (!(error instanceof OverDisk)) throw error;
    return { exitCode: null, signal: 'SIGKILL', note: error.message };
  } finally {
    watch.stop();
  }
}

function checksOf(tree: string, guarded: Guarded, shown: readonly Shown[]): string[] {
  return [
    asMounted(tree),
    ...[...guarded.parents, ...guarded.readOnly].map((path) => `=${asMounted(path)}`),
    ...[...guarded.covered, ...shown.flatMap(({ path, covered }) => [path, ...covered])].map(
      (path) => `+${asMounted(path)}`,
    ),
  ];
}

/** Its owner, so that what commands write is theirs. */
async function look(tree: string): Promise<{ user: User; treeId: string }> {
  const { uid, gid, dev, ino } = await stat(tree);
  if (uid !== 0) return { user: { uid, gid }, treeId: `${dev}/${ino}` };
  throw new SandboxRefusal(
    `${tree} belongs to root, and no command in a sandbox is root; a person has to give it away: chown -R ${agentUser.uid}:${agentUser.gid} ${tree}`,
  );
}

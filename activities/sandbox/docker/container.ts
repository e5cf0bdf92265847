// The container of a run: made when its first command needs it, found again by its name from any worker, and made anew
// when it is gone or when what it must keep from commands has changed.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { SandboxRefusal } from '../sandbox.ts';
import {
  asNotStarted,
  type Engine,
  EngineAway,
  isUnreachable,
  NotStarted,
  saidBy,
  statusOf,
  whenBack,
} from './engine.ts';
import { init } from './inner.ts';
import { labels, nameOf } from './labels.ts';
import type { Limits } from './docker-settings.ts';
import { waysOutInside } from './way.ts';
import type { Shown } from '../tree/beside.ts';
import type { Guarded } from '../tree/guarded.ts';
import { home, type User } from '../tree/stand-ins.ts';

// Where the kernel tells of the machine's devices; engines show them.
const devices = ['/sys/block', '/sys/bus', '/sys/class', '/sys/dev', '/sys/devices'];

export interface Places {
  /** Makes one more container once there is room for it. The runs of one worker are served in the order they came. */
  make(signal: AbortSignal, create: () => Promise<void>): Promise<void>;
}

export interface Wanted {
  instance: string;
  runId: string;
  tenantId: string;
  image: string;
  runtime: string | undefined;
  limits: Limits;
  /** Whether the engine can keep a container from swapping. */
  canLimitSwap: boolean;
  user: User;
  /** The real path of the work tree: it has the same in the container. */
  tree: string;
  /** Which folder it is: another may stand at its path since. */
  treeId: string;
  guarded: Guarded;
  /** Other projects, each at its path, to be read; left out where there are none. */
  beside?: readonly Shown[];
  /** Each with the path it has in the container. */
  files: readonly [from: string, to: string][];
  empty: string;
  /** Where the sockets of its commands' ways out are, each under a name of its own. */
  waysOut: string;
}

// Workers that make or remove one container at the same time are done in a second or two; an answer that stays the same
// for longer has another reason, and is told.
const settledWithinMs = 60_000;

// Each of the two folders in memory; what is in them counts as memory of the container, too.
const temporaryBytes = 256 * 2 ** 20;

// What the engine answers where another one has done the same, or it is being done.
const [isSo, isGone, isTaken] = [304, 404, 409];
const passing: readonly number[] = [isSo, isGone, isTaken];

/** Of all that a container is made from. */
export function specOf(wanted: Wanted): string {
  return createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 32);
}

/**
 * Starts it where it does not run. Nothing of it is shared between runs, and nothing in it outlives its processes: one that
 * does not start, or is `unfit`, is removed. Rejects with `NotStarted` where the engine could not do its part.
 */
export async function ensureContainer(
  engine: Engine,
  places: Places,
  wanted: Wanted,
  { spec, unfit, signal }: { spec: string; unfit: string | undefined; signal: AbortSignal },
): Promise<Docker.Container> {
  let until = performance.now() + settledWithinMs;
  const name = nameOf(wanted.instance, wanted.runId);
  for (;;) {
    try {
      const found = await whenBack(engine, signal, (docker) => find(docker.getContainer(name)));
      if (found === undefined) {
        await places.make(signal, () =>
          whenBack(engine, signal, (docker) => create(docker, wanted, name, spec)),
        );
        // It may have waited long for its place.
        until = performance.now() + settledWithinMs;
        continue;
      }
      const docker = await engine.calls();
      const container = docker.getContainer(found.Id);
      const isFit = found.Config.Labels[labels.spec] === spec && found.Id !== unfit;
      if (found.State.Running && (isFit || (await isAtWork(docker, container)))) return container;
      await (isFit ? start(container) : remove(container));
    } catch (error) {
      const status = statusOf(error);
      // Another worker did the same at the same time, or it is on its way out; or the engine was restarted meanwhile.
      const isUnsettled = isUnreachable(error) || (status !== undefined && passing.includes(status));
      if (error instanceof EngineAway || (status === undefined && !isUnsettled)) throw error;
      if (!isUnsettled || performance.now() > until)
        throw new NotStarted(`the Docker engine could not start the sandbox (${saidBy(error)})`, {
          cause: error,
        });
      await sleep(20);
    }
  }
}

/** What a killed engine has left may keep one container from ever starting. */
async function start(container: Docker.Container): Promise<void> {
  try {
    await container.start();
  } catch (error) {
    if (statusOf(error) !== undefined && statusOf(error) !== isSo) await remove(container);
    throw error;
  }
}

async function find(container: Docker.Container): Promise<Docker.ContainerInspectInfo | undefined> {
  try {
    return await container.inspect();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/**
 * Whether a command of any worker runs in it. A shell that only waits for one has started no process, and one that is just
 * being started acts once its worker knows of it.
 */
export async function isAtWork(docker: Docker, container: Docker.Container): Promise<boolean> {
  const found = await find(container);
  const execs = (found as { ExecIDs?: string[] | null } | undefined)?.ExecIDs ?? [];
  const looks = execs.map(async (id) => {
    try {
      const { Running, Pid } = await docker.getExec(id).inspect();
      return Running ? [Pid] : [];
    } catch (error) {
      if (statusOf(error) === 404) return [];
      throw error;
    }
  });
  const shells = (await Promise.all(looks)).flat();
  if (shells.length === 0) return false;
  try {
    const { Processes } = await container.top({ ps_args: '-eo pid,ppid' });
    return (Processes as string[][]).some(([, parent]) => shells.includes(Number(parent)));
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    // It has stopped meanwhile; else the engine has lost sight of it, and what its shells run goes on.
    return statusOf(error) !== isGone && statusOf(error) !== isTaken;
  }
}

// Half a second is usual. An engine that never gets a container away says so by the same answer for good.
const removedWithinMs = 30_000;

/** With all that runs in it; returns when it is gone. */
export async function remove(container: Docker.Container): Promise<void> {
  const until = performance.now() + removedWithinMs;
  for (;;) {
    try {
      return await container.remove({ force: true, v: true });
    } catch (error) {
      if (statusOf(error) === 404) return;
      // Another one is removing it.
      if (statusOf(error) !== 409 || performance.now() > until) throw error;
      await sleep(20);
    }
  }
}

async function create(docker: Docker, wanted: Wanted, name: string, spec: string): Promise<void> {
  // Given apart, since the client would repeat a plain body in the address, where logs keep it.
  const given = { _query: { name }, _body: bodyOf(wanted, spec) };
  try {
    await docker.createContainer(given as unknown as Docker.ContainerCreateOptions);
  } catch (error) {
    // Nothing but its image can be missing then; its name may stand for another one by now.
    if (statusOf(error) === 404) throw asNotStarted(error);
    // What no other container would mend.
    if (statusOf(error) === 400)
      throw new SandboxRefusal(`the Docker engine could not make the sandbox: ${saidBy(error)}`);
    throw error;
  }
}

function bodyOf(wanted: Wanted, spec: string): Docker.ContainerCreateOptions {
  const { image, runtime, limits, user, canLimitSwap } = wanted;
  const owned = `uid=${user.uid},gid=${user.gid}`;
  return {
    Image: image,
    Entrypoint: ['/bin/sh', '-c', init],
    Cmd: [],
    User: `${user.uid}:${user.gid}`,
    WorkingDir: '/',
    Hostname: 'perdure',
    Healthcheck: { Test: ['NONE'] },
    // An engine that stops does not wait for the first process, which takes no signal.
    StopTimeout: 1,
    Labels: {
      [labels.run]: wanted.runId,
      [labels.tenant]: wanted.tenantId,
      [labels.instance]: wanted.instance,
      [labels.image]: image,
      [labels.spec]: spec,
    },
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      IpcMode: 'private',
      RestartPolicy: { Name: 'no' },
      // What commands say goes to the worker; what the first process says is nothing.
      LogConfig: { Type: 'none', Config: {} },
      Memory: limits.memoryBytes,
      ...(canLimitSwap && { MemorySwap: limits.memoryBytes }),
      NanoCpus: limits.cpus * 1e9,
      PidsLimit: limits.processes,
      // Where the machine runs out of memory, a sandbox goes before what people use.
      OomScoreAdj: 500,
      Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
      ...(runtime !== undefined && { Runtime: runtime }),
      Tmpfs: {
        '/tmp': `rw,exec,nosuid,nodev,size=${temporaryBytes},mode=1777`,
        [home]: `rw,exec,nosuid,nodev,size=${temporaryBytes},mode=700,${owned}`,
        ...Object.fromEntries(devices.map((folder) => [folder, 'ro,size=4k,mode=555'])),
      },
      Mounts: mountsOf(wanted),
    },
  };
}

function mountsOf({ tree, guarded, beside = [], files, empty, waysOut }: Wanted): Docker.MountSettings[] {
  const bind = (from: string, to: string, isReadOnly: boolean): Docker.MountSettings => ({
    Type: 'bind',
    Source: from,
    Target: to,
    ReadOnly: isReadOnly,
    BindOptions: { Propagation: 'rprivate' },
  });
  const cover = (each: string): Docker.MountSettings => ({
    Type: 'tmpfs',
    Source: '',
    Target: each,
    ReadOnly: true,
    TmpfsOptions: { SizeBytes: 4096, Mode: 0o555 } as Docker.MountSettings['TmpfsOptions'],
  });
  return [
    bind(tree, tree, false),
    ...beside.flatMap(({ path, covered, sockets }) => [
      bind(path, path, true),
      ...covered.map(cover),
      ...sockets.map((each) => bind(empty, each, true)),
    ]),
    ...guarded.parents.map((each) => bind(each, each, false)),
    ...guarded.readOnly.map((each) => bind(each, each, true)),
    ...guarded.sockets.map((each) => bind(empty, each, true)),
    ...guarded.covered.map(cover),
    ...files.map(([from, to]) => bind(from, to, true)),
    bind(waysOut, waysOutInside, true),
  ];
}

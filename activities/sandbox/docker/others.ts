// Commands in a container that a person runs. It must show the run's project, whose files are read and written from
// here; it is never made, stopped, labelled or swept, and what it contains is its owner's affair.
import type Docker from 'dockerode';
import { type PathRule, type Sandbox, type SandboxDriver, SandboxRefusal } from '../sandbox.ts';
import type { ExecOptions, ExecResult, NamesToFollow, Usable } from '../sandbox.ts';
import { filesOf } from '../tree/files.ts';
import { openTree } from '../tree/open-tree.ts';
import { realNames } from '../tree/real-names.ts';
import type { DockerNeeds } from './docker-settings.ts';
import { asNotStarted, createEngine, type Engine, untilStarted, whenBack } from './engine.ts';
import { runCommand } from './exec.ts';
import { noForwarder } from '../group/forwarder.ts';
import { containerHandles, engineId } from './handles.ts';
import { findPlace, type Place } from './others-place.ts';
import { engineProblem, inTime } from './probe.ts';

const mode = 'container';

type Run = Parameters<SandboxDriver['open']>[0];

export function createOthers(needs: DockerNeeds): SandboxDriver {
  const engine = createEngine(needs.docker.address);
  return {
    mode,
    contains: { files: false, network: false, processes: false },
    reach: 'contains nothing of its own: commands run in a container that you run, and reach what that does',
    probe: (run) => probe(engine, run),
    open: (run) => open(needs, engine, run),
    ...containerHandles(engine, 'theirs'),
  };
}

async function probe(
  engine: Engine,
  run: Partial<Pick<Run, 'projectPath' | 'container'>> = {},
): Promise<Usable> {
  try {
    const docker = await engine.calls();
    if (!run.container) {
      await inTime(docker.ping());
      return { ok: true };
    }
    const found = await inTime(findPlace(docker, run.container, run.projectPath ?? null));
    return 'why' in found ? { ok: false, ...found } : { ok: true };
  } catch (error) {
    return engineProblem(engine, error);
  }
}

type PlaceNow = (signal: AbortSignal) => Promise<Place & { engineId: string; docker: Docker }>;

async function open(needs: DockerNeeds, engine: Engine, run: Run): ReturnType<SandboxDriver['open']> {
  const { container, projectPath, variables } = run;
  if (!container || projectPath === null)
    throw new SandboxRefusal('the run names no container, or no project that one shows');
  const tree = await openTree(projectPath);
  const placeNow: PlaceNow = async (signal) => {
    const look = async (docker: Docker) => ({
      ...{ found: await findPlace(docker, container, projectPath), engineId: await engineId(docker) },
      docker,
    });
    const { found, ...at } = await whenBack(engine, signal, look).catch((error: unknown) => {
      throw asNotStarted(error);
    });
    if ('why' in found) throw new SandboxRefusal(`${found.why} ${found.how}`);
    return { ...found, ...at };
  };
  return {
    async forCall({ mayUse = (() => undefined) as PathRule } = {}): Promise<Sandbox> {
      const at = await tree.current();
      return {
        root: projectPath,
        exec: (options) =>
          exec({ ...needs, variables: { ...needs.variables, ...variables } }, engine, placeNow, options),
        follow: (names) => follow(projectPath, at.real, names),
        ...filesOf({ ...at, mayUse }),
      };
    },
    close: () => tree.close(),
  };
}

/** As this machine sees them: a link may lead elsewhere in the container. */
function follow(given: string, real: string, names: NamesToFollow): ReturnType<Sandbox['follow']> {
  return realNames({ given, real, programs: '' }, names);
}

async function exec(
  { variables, gitSettings }: DockerNeeds,
  engine: Engine,
  placeNow: PlaceNow,
  options: ExecOptions,
): Promise<ExecResult> {
  return untilStarted(options.signal, async () => {
    const { id, image, directory, isTold, engineId: of, docker } = await placeNow(options.signal);
    const surroundings = {
      ...{ kind: mode, whose: 'theirs' as const, engine, container: docker.getContainer(id), digest: image },
      ...{ engineId: of, directory, checks: [directory] },
      environment: {
        ...(isTold.LANG ? {} : { LANG: 'C.UTF-8' }),
        ...variables,
        TERM: 'dumb',
      },
    };
    const ofCommand = { variables: { ...(options.judged && gitSettings) }, forwarder: noForwarder };
    return runCommand(surroundings, options, ofCommand);
  });
}

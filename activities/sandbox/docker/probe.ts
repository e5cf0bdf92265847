// What the Docker engine of this machine can give, asked of the engine itself.
import type { Usable } from '../sandbox.ts';
import { type Engine, saidBy, statusOf } from './engine.ts';
import type { DockerSettings } from './docker-settings.ts';

// An engine at work answers in milliseconds.
const probeMs = 1000;

interface Info {
  MemoryLimit: boolean;
  SwapLimit: boolean;
  CpuCfsQuota: boolean;
  PidsLimit: boolean;
  SecurityOptions?: string[];
  Runtimes?: Record<string, unknown>;
}

export async function probeDocker(
  engine: Engine,
  settings: Pick<DockerSettings, 'image' | 'runtime'>,
): Promise<Usable> {
  const refused = (why: string, how: string): Usable => ({ ok: false, why, how });
  try {
    const docker = await engine.calls();
    const [info, image] = await Promise.all([
      inTime(docker.info() as Promise<Info>),
      inTime(docker.getImage(settings.image).inspect()).catch((error: unknown) => {
        if (statusOf(error) !== 404) throw error;
      }),
    ]);
    if (image === undefined)
      return refused(
        `The Docker engine has no image ${settings.image}.`,
        'Make it: perdure sandbox image build, or name another one by PERDURE_SANDBOX_IMAGE.',
      );
    const volumes = Object.keys((image.Config as { Volumes?: object | null }).Volumes ?? {});
    if (volumes.length > 0)
      return refused(
        `The image ${settings.image} declares volumes (${volumes.join(', ')}), whose size nothing limits.`,
        'Name an image without volumes by PERDURE_SANDBOX_IMAGE.',
      );
    const { runtime } = settings;
    if (runtime !== undefined && !Object.hasOwn(info.Runtimes ?? {}, runtime))
      return refused(
        `The Docker engine has no runtime ${runtime}; it has ${Object.keys(info.Runtimes ?? {}).join(', ')}.`,
        'Add it to /etc/docker/daemon.json, or change PERDURE_SANDBOX_RUNTIME.',
      );
    return { ok: true, lacks: lacksOf(info) };
  } catch (error) {
    return engineProblem(engine, error);
  }
}

export function engineProblem(engine: Engine, error: unknown): Usable {
  return {
    ok: false,
    why: `The Docker engine on ${engine.socket} does not answer: ${saidBy(error)}.`,
    how: 'Start it (systemctl start docker), or install the package docker.io; the user Perdure runs as must be in the group docker.',
  };
}

function lacksOf(info: Info): string[] {
  const lacks: [boolean, string][] = [
    [!info.MemoryLimit, 'The kernel does not count memory of containers: memory has no limit.'],
    [!info.SwapLimit, 'The kernel does not count swap of containers: boot with swapaccount=1 to limit it.'],
    [!info.CpuCfsQuota, 'The kernel does not limit the processor time of containers.'],
    [!info.PidsLimit, 'The kernel does not limit how many processes a container has.'],
    [
      !(info.SecurityOptions ?? []).some((one) => one.includes('name=seccomp')),
      'The engine filters no system calls: it was built without seccomp.',
    ],
    [true, 'No disk quota holds a work tree: its growth is watched, and its sandbox stopped at its limit.'],
  ];
  return lacks.flatMap(([isMissing, words]) => (isMissing ? [words] : []));
}

export async function inTime<Result>(asked: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${probeMs} ms`)), probeMs);
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

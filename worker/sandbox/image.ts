// Makes the image of the mode `sandbox`.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import Docker from 'dockerode';
import { hostProblem, withHostDebian } from './host-debian.ts';

export interface Wanted {
  /** A path, or an address as DOCKER_HOST has it. */
  engine: string;
  /** The name of the image. */
  image: string;
  fromHostDebian: boolean;
  say(line: string): void;
}

const folder = import.meta.dirname;

/** Answers the digest. What goes wrong is one sentence. */
export async function buildImage({ engine, image, fromHostDebian, say }: Wanted): Promise<string> {
  const docker = new Docker({ socketPath: engine.replace(/^unix:\/\//, '') });
  await docker.ping().catch((error: Error) => {
    throw new Error(`The Docker engine on ${engine} does not answer (${error.message}): start it first.`);
  });
  if (fromHostDebian) await importDebian(docker, image, say);
  else await buildFromRegistry(docker, image, say);
  return (await docker.getImage(image).inspect()).Id;
}

/** Of the Dockerfile: one list for both ways. */
export async function packagesOfImage(): Promise<string[]> {
  const text = await readFile(path.join(folder, 'Dockerfile'), 'utf8');
  const list = /^ARG PACKAGES="([^"]+)"$/m.exec(text)?.[1];
  if (list === undefined) throw new Error(`${folder}/Dockerfile has no line ARG PACKAGES="…".`);
  return list.split(' ');
}

async function importDebian(docker: Docker, image: string, say: Wanted['say']): Promise<void> {
  const problem = await hostProblem();
  if (problem !== undefined) throw new Error(problem);
  await withHostDebian(await packagesOfImage(), say, async (archive) => {
    say('Giving it to the engine …');
    const [repo = image, tag = 'latest'] = image.split(/:(?=[^/]*$)/);
    const answer = await docker.importImage(archive as unknown as string, { repo, tag });
    await ended(docker, answer, () => {});
  });
}

async function buildFromRegistry(docker: Docker, image: string, say: Wanted['say']): Promise<void> {
  const answer = await docker.buildImage({ context: folder, src: ['Dockerfile'] }, { t: image });
  await ended(docker, answer, ({ stream }) => {
    const line = stream?.trim();
    if (line && /^(Step |Get:|Unpacking |Setting up )/.test(line)) say(line.slice(0, 120));
  }).catch((error: Error) => {
    throw new Error(
      `The image could not be built (${error.message}); without a registry, on a Debian, there is --from-host-debian.`,
    );
  });
}

interface Progress {
  stream?: string;
  error?: string;
}

/** Until the engine has done it; what it could not do stands among what it says. */
async function ended(
  docker: Docker,
  answer: NodeJS.ReadableStream | Readable,
  onProgress: (progress: Progress) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  docker.modem.followProgress(
    answer as NodeJS.ReadableStream,
    (error, all: Progress[]) => {
      const problem = error?.message ?? all.find((each) => each.error !== undefined)?.error;
      if (problem === undefined) resolve();
      else reject(new Error(problem));
    },
    onProgress,
  );
  await promise;
}

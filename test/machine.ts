// What this machine can do for the tests, asked once before they start.
import { access, constants, stat } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import Docker from 'dockerode';
import { probeBubblewrap } from '../activities/sandbox/bubblewrap/probe.ts';
import { postgresBinaries } from '../worker/supervisor/postgres/postgres-binaries.ts';
import { temporalExecutable } from '../worker/supervisor/temporal/temporal-executable.ts';
import { buildImage } from '../worker/sandbox/image.ts';
import { smallDiskProblem } from './support/small-disk.ts';
import type { Need } from './tiers.ts';

const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const questions: Record<Need, () => Promise<string | undefined>> = {
  postgres: async () => {
    if (process.env.PERDURE_TEST_DATABASE_URL) return undefined;
    return reason(() => access(postgresBinaries().postgres, constants.X_OK));
  },
  temporal: async () => {
    if (process.env.PERDURE_TEST_TEMPORAL_ADDRESS) return undefined;
    return reason(() => temporalExecutable({ say: (line) => console.log(line) }));
  },
  docker: dockerProblem,
  chromium: async () => {
    const found = await findChromium();
    return found ? undefined : `none of ${chromiumNames.join(', ')} is on PATH`;
  },
  mount: smallDiskProblem,
  bubblewrap: bubblewrapProblem,
};

/** Why the machine cannot give this, or undefined when it can. */
export function needProblem(need: Need): Promise<string | undefined> {
  return questions[need]();
}

/** The browser's file, for the tests that drive it. */
export async function findChromium(): Promise<string | undefined> {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  for (const file of folders.flatMap((folder) => chromiumNames.map((name) => path.join(folder, name)))) {
    if ((await reason(() => access(file, constants.X_OK))) === undefined) return file;
  }
  return undefined;
}

/** One that starts: containers and hardened systems often forbid it. */
async function bubblewrapProblem(): Promise<string | undefined> {
  const usable = await probeBubblewrap();
  return usable.ok ? undefined : `${usable.why} ${usable.how}`;
}

/** An engine that answers, whatever client is on PATH. */
async function dockerProblem(): Promise<string | undefined> {
  const socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');
  const missing = await reason(() => stat(socketPath));
  if (missing) return `no Docker engine listens on ${socketPath}`;
  return (await pingProblem(socketPath)) ?? imageProblem(socketPath);
}

/** Made once on a machine: it takes two minutes. */
async function imageProblem(socketPath: string): Promise<string | undefined> {
  const image = 'perdure-sandbox';
  const docker = new Docker({ socketPath });
  if ((await reason(() => docker.getImage(image).inspect())) === undefined) return undefined;
  console.log(`Making the image ${image}, once …`);
  const say = (line: string): void => console.log(line);
  return reason(() => buildImage({ engine: socketPath, image, fromHostDebian: true, say }));
}

function pingProblem(socketPath: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    // A healthy engine answers a ping in milliseconds; a frozen one must not hold the tests up.
    const ping = request({ socketPath, path: '/_ping', timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? undefined : `the Docker engine answers ${response.statusCode}`);
    });
    ping.once('timeout', () => ping.destroy(new Error('no answer within 5 s')));
    ping.once('error', (error) => resolve(`the Docker engine on ${socketPath}: ${error.message}`));
    ping.end();
  });
}

async function reason(attempt: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

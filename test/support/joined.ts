// A second machine of an installation, as far as one machine can be two: `perdure serve --worker-only` on a data folder of
// its own, with the database and the Temporal server of a platform.
import { mkdtemp, readFile, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  bootstrapped,
  type Platform,
  type ProcessName,
  readProcesses,
  removePlatform,
  send,
  spawnUnowned,
  supervisor,
  until,
} from './platform.ts';

export interface Joined {
  data: string;
  pid(name: ProcessName): number | undefined;
  kill(name: ProcessName, signal?: NodeJS.Signals): boolean;
  /** Starts it again on the same folder and waits until it takes work. */
  serve(): Promise<void>;
  /** What the supervisor has said. */
  said(): Promise<string>;
  stop(): Promise<void>;
  remove(): Promise<void>;
}

// As for a platform: it only ends a hang.
const readyMs = 90_000;

export async function join(
  platform: Platform,
  name: string,
  environment: Record<string, string> = {},
): Promise<Joined> {
  const data = await mkdtemp(path.join(await realpath(tmpdir()), 'perdure-joined-'));
  const file = path.join(data, 'serve.out');
  const said = (): Promise<string> => readFile(file, 'utf8').catch(() => '');
  const settings = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: process.env['HOME'] ?? '/',
    ...bootstrapped,
    DATABASE_URL: platform.databaseUrl,
    TEMPORAL_ADDRESS: platform.temporalAddress,
    PERDURE_EXECUTOR_NAME: name,
    ...environment,
  };
  const joined: Joined = {
    data,
    pid: (of) => readProcesses(data).find((each) => each.name === of)?.pid ?? undefined,
    kill(of, signal = 'SIGKILL') {
      const pid = joined.pid(of);
      return pid !== undefined && send(pid, signal);
    },
    async serve() {
      const before = (await said()).length;
      spawnUnowned([...supervisor, '--worker-only', '--data', data], settings, file);
      const isReady = async (): Promise<boolean> => (await said()).slice(before).includes('is ready');
      await until(isReady, readyMs, () => `The worker in ${data} is not ready.`, 100).catch(
        async (error: Error) => {
          throw new Error(`${error.message}\nIt said:\n${await said()}`);
        },
      );
    },
    said,
    async stop() {
      joined.kill('supervisor', 'SIGTERM');
      await until(
        () => readProcesses(data).length === 0,
        readyMs,
        () => `It does not stop: ${data}`,
      );
    },
    remove: () => removePlatform(data, data),
  };
  return joined;
}

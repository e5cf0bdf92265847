// The servers a test process shares: one Postgres and one Temporal, started at the first need, stopped at its end.
// Runs in vitest's main process only; test files get addresses from postgres.ts and temporal.ts.
import { access, chmod, constants, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPostgres } from '../../worker/supervisor/postgres/postgres.ts';
import { startTemporal } from '../../worker/supervisor/temporal/temporal-server.ts';
import { recordStarted, removeLeftovers } from './leftovers.ts';

interface Shared {
  folder: Promise<string> | undefined;
  postgres: Promise<string> | undefined;
  temporal: Promise<string> | undefined;
  stops: (() => Promise<void>)[];
}

// Each vitest project evaluates this module again; what they share is kept on `globalThis`.
const key = Symbol.for('perdure.test.servers');
const holder = globalThis as unknown as Record<symbol, Shared | undefined>;
holder[key] ??= { folder: undefined, postgres: undefined, temporal: undefined, stops: [] };
const shared = holder[key];

/** The URL of a Postgres whose databases tests may create and drop. */
export function sharedPostgres(): Promise<string> {
  const running = process.env.PERDURE_TEST_DATABASE_URL;
  shared.postgres ??= running ? Promise.resolve(running) : embeddedPostgres();
  return shared.postgres;
}

/** The address of a Temporal server in which tests may make namespaces. */
export function sharedTemporal(): Promise<string> {
  const running = process.env.PERDURE_TEST_TEMPORAL_ADDRESS;
  shared.temporal ??= running ? Promise.resolve(running) : embeddedTemporal();
  return shared.temporal;
}

/** A folder for the workflow bundle: two seconds of a processor, which not every file is to spend again. */
export async function sharedBundles(): Promise<string> {
  const bundles = path.join(await serversFolder(), 'bundles');
  await mkdir(bundles, { recursive: true });
  return bundles;
}

/** Stops what this process started; may be called twice. */
export async function stopSharedServers(): Promise<void> {
  const { folder } = shared;
  const stops = shared.stops.splice(0);
  Object.assign(shared, { folder: undefined, postgres: undefined, temporal: undefined });
  await Promise.all(stops.map((stop) => stop()));
  if (folder) await rm(await folder, { recursive: true, force: true });
}

async function embeddedPostgres(): Promise<string> {
  const folder = await serversFolder();
  const server = await startPostgres({
    folder: path.join(folder, 'postgres'),
    port: 0,
    logFile: path.join(folder, 'postgres.log'),
  });
  shared.stops.push(() => server.stop());
  await recordStarted(folder, server);
  return server.url;
}

async function embeddedTemporal(): Promise<string> {
  const folder = await serversFolder();
  const server = await startTemporal({
    folder: path.join(folder, 'temporal'),
    port: 0,
    ui: 'off',
    logFile: path.join(folder, 'temporal.log'),
    say: (line) => console.log(line),
  });
  shared.stops.push(() => server.stop());
  await recordStarted(folder, server);
  return server.address;
}

function serversFolder(): Promise<string> {
  shared.folder ??= (async () => {
    const parent = await fastFolder();
    await removeLeftovers(parent);
    const folder = await mkdtemp(path.join(parent, `perdure-test-${process.pid}-`));
    // Under root the database server runs as another user, who must be able to walk through.
    await chmod(folder, 0o755);
    return folder;
  })();
  return shared.folder;
}

/** A folder in memory where there is one: cloning a database waits a dozen times for a disk, and no test needs one. */
async function fastFolder(): Promise<string> {
  const memory = '/dev/shm';
  try {
    await access(memory, constants.W_OK);
    const { bavail, bsize } = await statfs(memory);
    // Some thirty clones of ten megabytes each live at once at most, and a server's log beside them.
    if (bavail * bsize > 2 * 1024 ** 3) return memory;
  } catch {
    // Not there or not ours: an ordinary disk does as well, only slower.
  }
  return tmpdir();
}

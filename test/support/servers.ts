// The servers a test process shares: one Postgres and one Temporal, started at the first need, stopped at its end.
// Runs in vitest's main process only; test files get addresses from postgres.ts and temporal.ts.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startPostgres } from './embedded-servers.ts';
import { recordStarted, removeLeftovers } from './leftovers.ts';

interface Shared {
  folder: Promise<string> | undefined;
  postgres: Promise<string> | undefined;
  temporal: Promise<string> | undefined;
  stops: (() => Promise<void>)[];
}

// Each vitest project evaluates this module again; what they share hangs on the process.
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
    port: await freePort(),
    logFile: path.join(folder, 'postgres.log'),
  });
  shared.stops.push(() => server.stop());
  await recordStarted(folder, server.pid);
  // Test data need not survive a power cut, and cloning a database is mostly waiting for the disk.
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('ALTER SYSTEM SET fsync = off');
  await client.query('SELECT pg_reload_conf()');
  await client.end();
  return server.url;
}

async function embeddedTemporal(): Promise<string> {
  throw new Error('Temporal for tests comes with worker/supervisor/temporal-server.ts.');
}

function serversFolder(): Promise<string> {
  shared.folder ??= (async () => {
    await removeLeftovers(tmpdir());
    const folder = await mkdtemp(path.join(tmpdir(), `perdure-test-${process.pid}-`));
    // Under root the database server runs as another user, who must be able to walk through.
    await chmod(folder, 0o755);
    return folder;
  })();
  return shared.folder;
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('A listening TCP server has a port.');
  return address.port;
}

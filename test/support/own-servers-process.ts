// The process beside a test that owns its servers; own-servers.ts talks to it. It ends with its last server when
// the test process lets go of it or dies.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { migrateUp } from '../../activities/store/db/migrate.ts';
import { startPostgres } from '../../worker/supervisor/postgres/postgres.ts';
import { startTemporal } from '../../worker/supervisor/temporal/temporal-server.ts';
import { withDescendants } from '../bench/harness/cpu.ts';
import { testPort } from './ports.ts';
import type { Order, Reply, ServerName } from './own-servers.ts';
import type { Servers } from './roles.ts';

const namespace = 'faults';

const folder = await mkdtemp(path.join(tmpdir(), 'perdure-own-servers-'));
// Under root the database server runs as another user, who must be able to walk through.
await chmod(folder, 0o755);

// They come back at the address that they had.
const ports = { postgres: await testPort(), temporal: await testPort() };

async function launchPostgres() {
  const logFile = path.join(folder, 'postgres.log');
  return startPostgres({ folder: path.join(folder, 'postgres'), port: ports.postgres, logFile });
}

async function launchTemporal() {
  return startTemporal({
    folder: path.join(folder, 'temporal'),
    port: ports.temporal,
    ui: 'off',
    logFile: path.join(folder, 'temporal.log'),
    namespace,
  });
}

const launching = Promise.all([launchPostgres(), launchTemporal()]);
let [postgres, temporal] = await launching;

async function open(): Promise<Servers> {
  await migrateUp(postgres.url);
  return { databaseUrl: postgres.url, temporal: { address: temporal.address, namespace } };
}

async function start(name: ServerName): Promise<void> {
  if (name === 'postgres') postgres = await launchPostgres();
  else temporal = await launchTemporal();
}

async function obey(order: Order): Promise<Omit<Reply, 'id'>> {
  switch (order.what) {
    case 'open':
      return { servers: await open() };
    case 'start':
      await start(order.name);
      return {};
    case 'signal': {
      const server = order.name === 'postgres' ? postgres : temporal;
      // A server is frozen only when all its processes are; a kill takes the first one, as it does in real life.
      const freezes = order.signal === 'SIGSTOP' || order.signal === 'SIGCONT';
      for (const pid of freezes ? withDescendants([server.pid]) : [server.pid])
        process.kill(pid, order.signal);
      // Waits for its end, so that a start right after does not find it half alive.
      if (order.signal === 'SIGKILL' || order.signal === 'SIGQUIT') await server.exited;
      return {};
    }
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (reply) => process.send?.({ id: order.id, ...reply }),
    (error: Error) => process.send?.({ id: order.id, problem: error.message }),
  );
});
async function end(): Promise<void> {
  await Promise.all([postgres.stop(), temporal.stop()]);
  await rm(folder, { recursive: true, force: true });
  process.exit(0);
}
process.once('disconnect', () => void end());

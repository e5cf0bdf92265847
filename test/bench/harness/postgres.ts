// A Postgres as shipped, with the product's tables, in a folder that goes when the benchmark is over.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { migrateUp } from '../../../activities/store/db/migrate.ts';
import { startPostgres } from '../../../worker/supervisor/postgres/postgres.ts';

export async function benchPostgres(): Promise<{ url: string; pid: number; stop(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-bench-'));
  const server = await startPostgres({
    folder: path.join(folder, 'postgres'),
    port: 0,
    logFile: path.join(folder, 'postgres.log'),
  });
  await migrateUp(server.url);
  return {
    url: server.url,
    pid: server.pid,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

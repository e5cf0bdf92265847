import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PostgresServer } from '../../../../worker/supervisor/postgres/postgres.ts';
import { startPostgres } from '../../../../worker/supervisor/postgres/postgres.ts';
import { postgresBinaries } from '../../../../worker/supervisor/postgres/postgres-binaries.ts';
import { accessProblem, postgresUser } from '../../../../worker/supervisor/postgres/postgres-user.ts';
import { isRunning } from '../../../../worker/process-table.ts';
import { testPort } from '../../../support/ports.ts';

let folder: string;
let server: PostgresServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-postgres-'));
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const place = (port = 0) => ({
  folder: path.join(folder, 'postgres'),
  port,
  logFile: path.join(folder, 'postgres.log'),
});

async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** Starts a server from a process that is then killed with it running. */
async function startAndDie(): Promise<{ pid: number; url: string }> {
  const program = `
    import { startPostgres } from ${JSON.stringify(path.resolve(import.meta.dirname, '../../../../worker/supervisor/postgres/postgres.ts'))};
    const { pid, url } = await startPostgres(${JSON.stringify(place())});
    process.stdout.write(JSON.stringify({ pid, url }), () => process.kill(process.pid, 'SIGKILL'));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  const signal = await new Promise((resolve) => child.once('close', (_code, how) => resolve(how)));
  expect(signal).toBe('SIGKILL');
  return JSON.parse(Buffer.concat(pieces).toString('utf8')) as { pid: number; url: string };
}

describe('the embedded Postgres', () => {
  test('answers on loopback only, with a password that only we can read, and writes through', async () => {
    server = await startPostgres(place());
    const [row] = await ask(
      server.url,
      `select current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync,
              current_setting('password_encryption') as encryption, current_setting('server_encoding') as encoding,
              current_database() as database`,
    );
    expect(row).toEqual({
      addresses: '127.0.0.1',
      fsync: 'on',
      encryption: 'scram-sha-256',
      encoding: 'UTF8',
      database: 'perdure',
    });
    expect(statSync(path.join(folder, 'postgres', 'password')).mode & 0o777).toBe(0o600);
    await expect(ask(server.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(
      /authentication/,
    );
    // The password is nowhere where other users of the machine could read it.
    expect(readFileSync(`/proc/${server.pid}/cmdline`, 'utf8')).not.toContain(new URL(server.url).password);
    expect(readFileSync(`/proc/${server.pid}/environ`, 'utf8')).not.toContain(new URL(server.url).password);
  });

  test('is taken over by the next start when its starter was killed, with its data and its port', async () => {
    const before = await startAndDie();
    await ask(before.url, 'create table kept as select 1 as one');
    server = await startPostgres(place());
    expect({ pid: server.pid, url: server.url, takenOver: server.takenOver }).toEqual({
      ...before,
      takenOver: true,
    });
    expect(await ask(server.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await server.stop();
    expect(isRunning(server)).toBe(false);
    await server.exited;
  });

  test('keeps what was committed when the server itself is killed', async () => {
    const first = await startPostgres(place(await testPort()));
    await ask(first.url, 'create table kept as select 1 as one');
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    server = await startPostgres(place(first.port));
    expect(server.takenOver).toBe(false);
    expect(await ask(server.url, 'select one from kept')).toEqual([{ one: 1 }]);
  });

  test('that does not answer is replaced, not taken over', async () => {
    const { pid } = await startAndDie();
    process.kill(pid, 'SIGSTOP');
    server = await startPostgres(place());
    expect(server.takenOver).toBe(false);
    expect(server.pid).not.toBe(pid);
    expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('starts over after a first start that was killed half way', async () => {
    const half = path.join(folder, 'postgres', 'data.new', 'base');
    mkdirSync(half, { recursive: true });
    writeFileSync(path.join(half, 'half'), 'half');
    server = await startPostgres(place());
    expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('refuses files of another major version and leaves them alone', async () => {
    server = await startPostgres(place());
    await server.stop();
    const file = path.join(folder, 'postgres', 'data', 'PG_VERSION');
    writeFileSync(file, '14\n');
    await expect(startPostgres(place())).rejects.toThrow(
      /was written by Postgres 14 and this is Postgres 18: use the version/,
    );
    expect(readFileSync(file, 'utf8')).toBe('14\n');
  });

  test('refuses a busy port that was asked for and moves from one that was not', async () => {
    const busy = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => busy.once('listening', resolve));
    const { port } = busy.address() as { port: number };
    try {
      await expect(startPostgres(place(port))).rejects.toThrow(
        `Postgres cannot have port ${port}, another program has it: end that one or change PERDURE_POSTGRES_PORT.`,
      );
      server = await startPostgres({ ...place(port), movable: true });
      expect(server.port).not.toBe(port);
    } finally {
      busy.close();
    }
  });
});

test.runIf(process.getuid?.() === 0)(
  'an install path that the database user may not enter is refused in one sentence',
  () => {
    const closed = path.join(folder, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const { postgres, initdb } = postgresBinaries();
    const copy = path.join(closed, 'bin', 'postgres');
    cpSync(postgres, copy);
    const problem = accessProblem({ postgres: copy, initdb }, '/', postgresUser());
    expect(problem).toMatch(
      /^Postgres cannot be run by the user perdure-postgres from \S+ \(.*EACCES.*\): move the checkout to/,
    );
    expect(accessProblem({ postgres, initdb }, path.join(closed, 'data'), postgresUser())).toContain(
      `Postgres cannot enter ${folder} as the user perdure-postgres`,
    );
  },
);
